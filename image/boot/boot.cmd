# Chooses which of two systems to start. Run by U-Boot on the Pi and, unchanged, on QEMU's virt machine.
#
# The file `slots` on the first partition is U-Boot's own checked form of an environment: BOOT_ORDER, and for each
# slot how many tries are left. Each start costs its slot one try; a system that runs well gives them back. The copy
# `slots.bak` is written second, so that one of both is whole whenever the power goes.
setenv slots_bytes 1000
setenv BOOT_ORDER
for file in slots slots.bak; do
  if test -z "${BOOT_ORDER}"; then
    if load ${devtype} ${devnum}:1 ${ramdisk_addr_r} ${file}; then
      env import -c ${ramdisk_addr_r} ${slots_bytes} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT BOOT_TRIAL
    fi
  fi
done
if test -z "${BOOT_ORDER}"; then
  echo "no slots file is whole: begin anew"
  setenv BOOT_ORDER "A B"
  setenv BOOT_A_LEFT 3
  setenv BOOT_B_LEFT 3
  setenv BOOT_TRIAL none
fi

# Where no slot has a try left, a device that tries again is worth more than one that stands still.
if test "${BOOT_A_LEFT}" = 0 -a "${BOOT_B_LEFT}" = 0; then
  setenv BOOT_A_LEFT 3
  setenv BOOT_B_LEFT 3
fi

setenv write_slots 'env export -c -s ${slots_bytes} ${ramdisk_addr_r} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT BOOT_TRIAL; fatwrite ${devtype} ${devnum}:1 ${ramdisk_addr_r} slots ${slots_bytes}; fatwrite ${devtype} ${devnum}:1 ${ramdisk_addr_r} slots.bak ${slots_bytes}'

# One line `arguments=...` in a file of this name goes to the kernel as well: for odd hardware, and for tests.
setenv arguments
if load ${devtype} ${devnum}:1 ${ramdisk_addr_r} arguments.txt; then
  env import -t -r ${ramdisk_addr_r} ${filesize} arguments
fi

# A kernel or RAM disk that cannot be read leaves the next slot its chance.
setenv start_slot 'echo "slot ${slot}"; load ${devtype} ${devnum}:${part} ${kernel_addr_r} /boot/kernel && load ${devtype} ${devnum}:${part} ${ramdisk_addr_r} /boot/initramfs && setenv bootargs "root=PARTUUID=@DISK@-0${part} rauc.slot=${slot} @ARGUMENTS@ ${arguments}" && booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr}'

for slot in ${BOOT_ORDER}; do
  if test "${slot}" = A -a "${BOOT_A_LEFT}" != 0; then
    setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
    setenv part 2
    run write_slots
    run start_slot
  fi
  if test "${slot}" = B -a "${BOOT_B_LEFT}" != 0; then
    setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
    setenv part 3
    run write_slots
    run start_slot
  fi
done
echo "neither system can be started"
sleep 10
reset
