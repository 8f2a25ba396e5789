"""The device's root file system: Debian's packages, Python's, the units, and the files of `image/root`."""

import os
import shutil
from functools import partial
from pathlib import Path

from builder.steps import Step, Workspace, remove

DISK_SIGNATURE = "70697069"
"""Of the master boot record ("pipi"): partitions are known by it, on every card alike."""

UUID = "70697069-0000-4000-8000-726f6f740000"

# /var is in memory on the device: nothing of the packages' own is ever seen there.
_EMPTIED = (
    "boot/firmware",
    "cross",
    "run",
    "tmp",
    "var",
    "usr/share/info",
    "usr/share/perl",
    "usr/lib/aarch64-linux-gnu/perl",
)
_REMOVED = (
    "etc/machine-id", "etc/systemd/system", "boot/config-*", "boot/System.map-*", "boot/vmlinuz-*",
    "etc/ssh/ssh_host_*", "etc/.pwd.lock", "etc/*-", "vmlinuz*", "initrd*", "etc/kernel", "etc/cron.*", "etc/apt",
    "usr/lib/aarch64-linux-gnu/libperl.so*", "usr/lib/u-boot", "usr/lib/raspi-firmware",
    # the log stays in memory, and nothing is partitioned; looking whether to loads dm_mod and loop three times over
    "usr/lib/systemd/system/sysinit.target.wants/systemd-journal-flush.service",
    "usr/lib/systemd/system/sysinit.target.wants/systemd-repart.service",
)  # fmt: skip

_MODEL = ("models/motion.tflite", "models/motion.json")
"""Lies ready below /usr/share/pipistrelle; no configuration names it unless its owner does."""


def root_step(base: Step, site: Step, checkout: Path, *, keyring: Path) -> Step:
    """Everything that the device's root has, as a folder `root`."""
    files = (
        checkout / "image/root", checkout / "systemd", checkout / "image/initramfs", keyring,
        *(checkout / name for name in _MODEL),
    )  # fmt: skip
    return Step("the root file system", partial(_make_root, keyring=keyring), "root", after=(base, site), files=files)


def _make_root(workspace: Workspace, *, keyring: Path) -> None:
    root = workspace.path("root.part")
    remove(root)
    workspace.run("cp", "-a", "--reflink=auto", workspace.path("base"), root)
    kernel = next((root / "boot").glob("vmlinuz-*"))
    version = kernel.name.removeprefix("vmlinuz-")
    kernel.rename(root / "boot/kernel")
    _thin_out(root)
    _believe_compiled(root)
    shutil.copytree(workspace.path("site"), root / "usr/local/lib/python3.11/dist-packages", dirs_exist_ok=True)
    workspace.run("cp", "-a", "--no-preserve=ownership", f"{workspace.image / 'root'}/.", root)
    workspace.run("sh", workspace.checkout / "systemd/install", "--root", root)
    shutil.copy(keyring, root / "etc/rauc/keyring.pem")
    (root / "usr/share/pipistrelle").mkdir()
    for name in _MODEL:
        shutil.copy(workspace.checkout / name, root / "usr/share/pipistrelle")
    _fill_in(root, workspace.version)
    workspace.run("systemd-sysusers", f"--root={root}")
    (root / "etc/machine-id").touch()
    workspace.run("systemctl", f"--root={root}", "preset-all")
    for module in _NEEDED_MODULES:
        workspace.run("modprobe", "-d", root, "-S", version, "--show-depends", module)
    _make_initramfs(workspace, root, version)
    _one_time(root, workspace.epoch_s)
    root.rename(workspace.path("root"))


def _thin_out(root: Path) -> None:
    for pattern in _REMOVED:
        for path in list(root.glob(pattern)):
            remove(path)
    for name in _EMPTIED:
        remove(root / name)
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "data").mkdir()
    for path in [*root.rglob("__pycache__")]:
        if "/usr/lib/python3/" not in f"{path}/" and "/usr/lib/python3.11/" not in f"{path}/":
            remove(path)


_CHECKED, _UNCHECKED = (flags.to_bytes(4, "little") for flags in (0b11, 0b01))
"""Of compiled Python that carries a hash of its source: whether that is looked at (PEP 552)."""


def _believe_compiled(root: Path) -> None:
    """Python's own modules are believed without a look at their sources, which nobody can change on a read-only root.

    Debian's packages compile them for a look at each start, because SOURCE_DATE_EPOCH is set: 1 % of the service's
    start, and 4 MB to read.
    """
    for path in root.glob("usr/lib/python3*/**/*.pyc"):
        compiled = path.read_bytes()
        if compiled[4:8] == _CHECKED:
            path.write_bytes(compiled[:4] + _UNCHECKED + compiled[8:])


def _fill_in(root: Path, version: str) -> None:
    """The disk's signature where partitions are named, and the version."""
    for name in (
        "etc/rauc/system.conf",
        "etc/udev/rules.d/80-pipistrelle-stick.rules",
        "usr/lib/pipistrelle/data",
    ):
        path = root / name
        path.write_text(path.read_text(encoding="utf-8").replace("@DISK@", DISK_SIGNATURE), encoding="utf-8")
    (root / "usr/lib/pipistrelle/version").write_text(f"{version}\n", encoding="ascii")


_FIRST_MODULES = (
    "ext4", "mmc_block", "bcm2835", "sdhci_iproc", "bcm2835_wdt", "virtio_blk", "virtio_pci", "virtio_mmio",
    "usb_storage", "sd_mod",
)  # fmt: skip
"""What finding the root takes: the Pi's card, USB's, and QEMU's."""

_NEEDED_MODULES = (
    "snd_usb_audio", "brcmfmac", "genet", "smsc95xx", "lan78xx", "dwc2", "xhci_pci", "vfat", "loop", "squashfs",
    "dm_verity", "nbd", "exfat", "uas", "ledtrig_pattern", "raspberrypi_cpufreq", "virtio_net", "snd_aloop", "ipv6",
)  # fmt: skip
"""What the device needs later: that no module of theirs was dropped is looked at here, where it costs least."""


def _make_initramfs(workspace: Workspace, root: Path, version: str) -> None:
    """A static busybox, a script, and the kernel modules that finding the root takes: made without emulation."""
    tree = workspace.path("initramfs")
    remove(tree)
    for name in ("bin", "dev", "proc", "sys", "root", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", tree / "bin/busybox")
    shutil.copy(workspace.image / "initramfs/init", tree / "init")
    (tree / "init").chmod(0o755)
    order: list[str] = []
    for module in _FIRST_MODULES:
        told = workspace.run("modprobe", "-d", root, "-S", version, "--show-depends", module)
        for line in told.splitlines():
            word, _, path = line.partition(" ")
            name = Path(path.strip()).name
            if word == "insmod" and f"/modules/{name}" not in order:
                shutil.copy(path.strip(), tree / "modules" / name)
                order.append(f"/modules/{name}")
    (tree / "modules.order").write_text("".join(f"{name}\n" for name in order), encoding="ascii")
    _one_time(tree, workspace.epoch_s)
    names = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
    archive = workspace.path("initramfs.cpio")
    workspace.run(
        "cpio", "--quiet", "--create", "--format=newc", "--owner=0:0", "--reproducible", "--file", archive,
        cwd=tree, stdin=names,
    )  # fmt: skip
    workspace.run("gzip", "-9nf", archive)
    shutil.move(f"{archive}.gz", root / "boot/initramfs")


def _one_time(root: Path, epoch_s: int) -> None:
    """All files are of one time: the building machine's clock leaves no trace, not even where Debian's part was kept.

    Nothing looks at them: what is compiled of Python carries hashes.
    """
    for path in [root, *root.rglob("*")]:
        os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)


def root_image_step(root: Step) -> Step:
    """The root file system as ext4: what both the card and the update bundle hold."""
    return Step("its ext4 image", _make_root_image, "root.ext4", after=(root,))


def _make_root_image(workspace: Workspace) -> None:
    root, unfinished = workspace.path("root"), workspace.path("root.ext4.part")
    remove(unfinished)
    used_kib = int(workspace.run("du", "-sk", "--apparent-size", root).split()[0])
    files = sum(1 for _ in root.rglob("*"))
    # each file ends in half a block on average; tables and a little room beside
    size_kib = used_kib + files * 3 + 16 * 1024
    faked = {**os.environ, "E2FSPROGS_FAKE_TIME": str(workspace.epoch_s)}
    workspace.run(
        "mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum,^64bit,^has_journal,^resize_inode,^dir_index",
        "-U", UUID, "-E", f"hash_seed={UUID},lazy_itable_init=0,nodiscard", "-m", "0", "-L", "root",
        "-N", str(files + 64), "-d", root, unfinished, f"{size_kib}k", env=faked,
    )  # fmt: skip
    _same_times(workspace, unfinished)
    unfinished.rename(workspace.path("root.ext4"))


def _same_times(workspace: Workspace, image: Path) -> None:
    """mke2fs takes over when the files of `root` were last read and created here: one time for all instead."""
    told = workspace.run("dumpe2fs", "-h", image)
    counts = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    used = int(counts["Inode count"]) - int(counts["Free inodes"])
    fields = ("atime", "ctime", "crtime", "atime_extra", "ctime_extra", "crtime_extra", "mtime_extra")
    time_of = {field: "0" if field.endswith("extra") else f"@{workspace.epoch_s}" for field in fields}
    lines = [
        f"set_inode_field <{number}> {field} {time_of[field]}" for number in range(1, used + 1) for field in fields
    ]
    faked = {**os.environ, "E2FSPROGS_FAKE_TIME": str(workspace.epoch_s)}
    workspace.run("debugfs", "-w", "-f", "-", image, stdin="\n".join(lines), env=faked)
