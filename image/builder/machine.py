"""What the building machine must have: Debian's packages, the emulator's registration, and where Debian comes from."""

import os
import shutil
import subprocess
from pathlib import Path

from builder.steps import BuildError, Workspace

RELEASE = "bookworm"

_TOOLS = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "cpio": "cpio",
    "debugfs": "e2fsprogs",
    "git": "git",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "mkimage": "u-boot-tools",
    "mksquashfs": "squashfs-tools",
    "modprobe": "kmod",
    "mmdebstrap": "mmdebstrap",
    "openssl": "openssl",
    "qemu-aarch64-static": "qemu-user-static",
    "rauc": "rauc",
    "sfdisk": "fdisk",
    "systemd-sysusers": "systemd",
    "xz": "xz-utils",
}
EMULATION_TOOLS = {
    "mcopy": "mtools",
    "mosquitto": "mosquitto",
    "mosquitto_sub": "mosquitto-clients",
    "nc": "netcat-openbsd",
    "qemu-system-aarch64": "qemu-system-arm u-boot-qemu",
    "rauc": "rauc",
    "ssh": "openssh-client",
}

_BINFMT = Path("/proc/sys/fs/binfmt_misc")


def check_tools(tools: dict[str, str] = _TOOLS) -> None:
    """All commands are here.

    Raises:
        BuildError: some are not; says what to install.
    """
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = {package for command, package in tools.items() if not shutil.which(command)}
    if not Path("/usr/lib/python3/dist-packages/pip").exists() and shutil.which("pip3") is None:
        missing.add("python3-pip")
    if missing:
        raise BuildError(f"please install: apt-get install --no-install-recommends {' '.join(sorted(missing))}")


def check_rights() -> None:
    """The build makes files of other owners and runs programs for arm64.

    Raises:
        BuildError: not root.
    """
    if os.geteuid() != 0:
        raise BuildError("the root file system has files of many owners: please run it with sudo")


def register_emulator(workspace: Workspace) -> None:
    """Let the kernel start arm64 programs by QEMU, unless it does already.

    Raises:
        BuildError: this machine does not let us.
    """
    if (_BINFMT / "qemu-aarch64").exists():
        return
    if not (_BINFMT / "register").exists():
        workspace.run("mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT)
    if not (_BINFMT / "qemu-aarch64").exists():
        try:
            rule = Path("/usr/lib/binfmt.d/qemu-aarch64.conf").read_bytes()
            (_BINFMT / "register").write_bytes(rule)
        except OSError as error:
            raise BuildError(f"arm64 programs cannot be registered: {error}") from error


def debian_sources(mirror: str | None) -> list[str]:
    """Lines for apt: the machine's own mirrors of Debian, or one that holds the suites and `-security` beside them.

    Raises:
        BuildError: the machine knows no Debian.
    """
    components = "main non-free-firmware"
    if mirror:
        sites = {RELEASE: mirror, f"{RELEASE}-updates": mirror, f"{RELEASE}-security": f"{mirror}-security"}
    else:
        told = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(ORIGIN)"],
            text=True,
            capture_output=True,
            check=True,
        ).stdout
        sites = {}
        for line in sorted(set(told.splitlines())):
            site, release, *origin = line.split()
            if origin == ["Debian"] and release.partition("-")[0] == RELEASE:
                sites[release] = site
    if RELEASE not in sites:
        raise BuildError(f"this machine's apt has no Debian {RELEASE}; name a mirror with --mirror")
    return [f"deb {site} {release} {components}" for release, site in sorted(sites.items())]
