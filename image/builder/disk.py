"""The card: a table of four partitions, the first with what the Pi's firmware and U-Boot read."""

import shutil
import sys
from pathlib import Path

from builder.root import DISK_SIGNATURE
from builder.steps import BuildError, Step, Workspace, remove

_MIB = 2**20
FAT_MIB, ROOT_MIB, DATA_MIB = 64, 1024, 32
FAT_START_MIB = 4

_FIRMWARE = (
    "bootcode.bin", "fixup.dat", "fixup_cd.dat", "fixup4.dat", "fixup4cd.dat",
    "start.elf", "start_cd.elf", "start4.elf", "start4cd.elf",
)  # fmt: skip
_DEVICE_TREES = ("bcm2837-rpi-3-*.dtb", "bcm2837-rpi-zero-2-w.dtb", "bcm2711-rpi-4-b.dtb", "bcm2711-rpi-400.dtb")
_PROMPT = b"bootdelay=2\0"


def boot_step(base: Step, checkout: Path) -> Step:
    """The first partition's files, as a folder `boot`."""
    files = (checkout / "image/boot", checkout / "appliance/card")
    return Step("the boot partition", _make_boot, "boot", after=(base,), files=files)


def _make_boot(workspace: Workspace) -> None:
    base, boot = workspace.path("base"), workspace.path("boot.part")
    remove(boot)
    boot.mkdir()
    for name in _FIRMWARE:
        shutil.copy(base / "usr/lib/raspi-firmware" / name, boot)
    for pattern in _DEVICE_TREES:
        for tree in base.glob(f"usr/lib/linux-image-*/broadcom/{pattern}"):
            shutil.copy(tree, boot)
    _copy_without_prompt(base / "usr/lib/u-boot/rpi_arm64/u-boot.bin", boot)
    shutil.copy(workspace.image / "boot/config.txt", boot)
    for name in ("pipistrelle.yaml", "pipistrelle-example.yaml"):
        # Windows' editor of old knows no other line ends
        text = (workspace.checkout / "appliance/card" / name).read_text(encoding="utf-8")
        (boot / name).write_text(text, encoding="utf-8", newline="\r\n")
    _slots(workspace, boot)
    _boot_script(workspace, boot)
    boot.rename(workspace.path("boot"))


def _copy_without_prompt(program: Path, to: Path) -> None:
    """U-Boot, without the 2 s in which it waits for a key that nobody presses: a text of its built-in environment."""
    content = program.read_bytes()
    if content.count(_PROMPT) != 1:
        raise BuildError(f"{program} has no single {_PROMPT!r}: Debian's U-Boot is another one")
    (to / program.name).write_bytes(content.replace(_PROMPT, b"bootdelay=0\0"))


def _slots(workspace: Workspace, boot: Path) -> None:
    """System A is there, B is empty."""
    sys.path.insert(0, str(workspace.checkout))
    from appliance.card.slots import Slots, write_slots

    write_slots(boot, Slots())


def _boot_script(workspace: Workspace, boot: Path) -> None:
    arguments = (workspace.image / "boot/arguments").read_text(encoding="ascii").strip()
    text = (workspace.image / "boot/boot.cmd").read_text(encoding="ascii")
    script = workspace.path("boot.cmd")
    script.write_text(text.replace("@DISK@", DISK_SIGNATURE).replace("@ARGUMENTS@", arguments), encoding="ascii")
    workspace.run(
        "mkimage", "-A", "arm64", "-T", "script", "-C", "none", "-n", "pipistrelle", "-d", script, boot / "boot.scr",
        env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": str(workspace.epoch_s)},
    )  # fmt: skip


def disk_step(boot: Step, root_image: Step) -> Step:
    """The whole card as a sparse file `disk.img`."""
    return Step("the card", _make_disk, "disk.img", after=(boot, root_image))


def _make_disk(workspace: Workspace) -> None:
    disk, root_image = workspace.path("disk.img.part"), workspace.path("root.ext4")
    remove(disk)
    if root_image.stat().st_size > ROOT_MIB * _MIB:
        raise BuildError(f"the root file system has {root_image.stat().st_size} bytes, its partition {ROOT_MIB} MiB")
    sizes = ((FAT_MIB, "c, *"), (ROOT_MIB, "83"), (ROOT_MIB, "83"), (DATA_MIB, "83"))
    lines, start = [f"label: dos\nlabel-id: 0x{DISK_SIGNATURE}"], FAT_START_MIB
    starts = []
    for size, kind in sizes:
        lines.append(f"{start}MiB, {size}MiB, {kind}")
        starts.append(start)
        start += size
    with disk.open("wb") as file:
        file.truncate(start * _MIB)
    workspace.run("sfdisk", "--quiet", disk, stdin="\n".join(lines) + "\n")
    # System B comes with the first update; the data's file system is made at the first start.
    for part, at in zip((_make_fat(workspace), root_image), starts, strict=False):
        workspace.run("dd", f"if={part}", f"of={disk}", "bs=1M", f"seek={at}", "conv=sparse,notrunc", "status=none")
    disk.rename(workspace.path("disk.img"))


def _make_fat(workspace: Workspace) -> Path:
    image, boot = workspace.path("boot.fat"), workspace.path("boot")
    remove(image)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SOURCE_DATE_EPOCH": str(workspace.epoch_s), "TZ": "UTC"}
    workspace.run(
        "mkfs.vfat", "--invariant", "-F", "32", "-s", "1", "-n", "PIPISTRELLE", "-i", DISK_SIGNATURE, "-C", image,
        str(FAT_MIB * 1024), env=environment,
    )  # fmt: skip
    workspace.run("mcopy", "-i", image, *sorted(boot.iterdir()), "::", env=environment)
    return image
