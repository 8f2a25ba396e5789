"""Debian's part: the packages unpacked and configured, and what compiling for them needs."""

import os
from functools import partial
from pathlib import Path

from builder.machine import RELEASE, debian_sources, register_emulator
from builder.steps import Step, Workspace, remove

_CROSS_PACKAGES = "libpython3.11-dev libasound2-dev"
_NO_FILES = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")
_KEPT_MODULES = ("drivers/media/mc",)
"""Within what is dropped: USB sound cards need it."""

_KEYS = ("rsa", "ecdsa", "ed25519")


def words_of(path: Path) -> list[str]:
    """The words of a list with comments."""
    lines = (line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines())
    return [word for line in lines for word in line.split()]


def base_step(checkout: Path, *, mirror: str | None) -> Step:
    """Debian's packages, as a folder `base`; what was downloaded is kept beside it for the next time."""
    image = checkout / "image"
    return Step(
        "Debian's packages",
        partial(_make_base, mirror=mirror),
        "base",
        files=(image / "packages.txt", image / "modules-dropped.txt"),
        settings=(RELEASE,),
    )


def _make_base(workspace: Workspace, *, mirror: str | None) -> None:
    register_emulator(workspace)
    downloads = workspace.path("downloads")
    downloads.mkdir(exist_ok=True)
    unfinished = workspace.path("base.part")
    remove(unfinished)
    dropped = [f"/lib/modules/*/kernel/{name}/*" for name in words_of(workspace.image / "modules-dropped.txt")]
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in (*_NO_FILES, *dropped)]
    options += [f"--dpkgopt=path-include=/lib/modules/*/kernel/{name}/*" for name in _KEPT_MODULES]
    # Keys that are there already are not made: each device makes its own, and under emulation it takes long.
    keys = " ".join(f'"$1"/etc/ssh/ssh_host_{kind}_key' for kind in _KEYS)
    download = 'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get download -qq'
    hooks = [
        '--setup-hook=mkdir -p "$1"/var/cache/apt/archives/',
        f"--setup-hook=sync-in {downloads} /var/cache/apt/archives/",
        f'--essential-hook=mkdir -p "$1"/etc/ssh && touch {keys}',
        f'--customize-hook=mkdir "$1"/cross && cd "$1"/cross && {download} {_CROSS_PACKAGES}',
        f"--customize-hook=sync-out /var/cache/apt/archives {downloads}",
    ]
    # The stock hook for initial RAM disks starts an emulated program for each kernel module; ours is made natively.
    environment = {**os.environ, "INITRD": "No", "SOURCE_DATE_EPOCH": str(workspace.epoch_s)}
    workspace.run(
        "mmdebstrap",
        "--mode=root",
        "--arch=arm64",
        "--variant=minbase",
        '--aptopt=APT::Install-Recommends "false"',
        "--dpkgopt=force-unsafe-io",
        *options,
        "--skip=download/empty,essential/unlink",
        *hooks,
        f"--include={','.join(words_of(workspace.image / 'packages.txt'))}",
        RELEASE,
        unfinished,
        *debian_sources(mirror),
        env=environment,
    )
    unfinished.rename(workspace.path("base"))
