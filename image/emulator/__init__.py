"""The built image in QEMU: does it start, hear somebody, take updates, and survive the power's going?

Nothing here ran on a Raspberry Pi: QEMU's `virt` machine has the same processor and none of the same devices.
"""
