"""What is handed out: the update bundle, the compressed card, the parts list and the checksums."""

import hashlib
import os
import shutil
from functools import partial
from pathlib import Path

from builder.steps import Step, Workspace, remove

COMPATIBLE = "pipistrelle-arm64"


def test_keys(directory: Path, workspace: Workspace) -> tuple[Path, Path]:
    """A certificate and its key that were made here, for images that are not handed out."""
    certificate, key = directory / "test-certificate.pem", directory / "test-key.pem"
    if not (certificate.exists() and key.exists()):
        directory.mkdir(parents=True, exist_ok=True)
        workspace.run(
            "openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "7300",
            "-subj", "/O=Pipistrelle/CN=test, not for devices", "-keyout", key, "-out", certificate,
            "-addext", "extendedKeyUsage=emailProtection", "-addext", "keyUsage=digitalSignature,keyCertSign",
        )  # fmt: skip
        key.chmod(0o600)
    return certificate, key


def bundle_step(root_image: Step, *, name: str, certificate: Path, key: Path, version: str) -> Step:
    """The signed update."""
    make = partial(_make_bundle, name=name, certificate=certificate, key=key, version=version)
    return Step("the update bundle", make, name, after=(root_image,), files=(certificate, key), settings=(version,))


def _make_bundle(workspace: Workspace, *, name: str, certificate: Path, key: Path, version: str) -> None:
    bundle = workspace.path(name)
    make_bundle(workspace, bundle, image=workspace.path("root.ext4"), certificate=certificate, key=key, version=version)
    workspace.run("rauc", "info", f"--keyring={certificate}", bundle)


def make_bundle(workspace: Workspace, bundle: Path, *, image: Path, certificate: Path, key: Path, version: str) -> None:
    """A bundle with one root file system; `image` may be linked but is not changed."""
    content = workspace.path("bundle.content")
    remove(content)
    content.mkdir()
    os.link(image, content / "root.ext4")
    manifest = [
        "[update]", f"compatible={COMPATIBLE}", f"version={version}", "[bundle]", "format=verity",
        "[image.rootfs]", "filename=root.ext4",
    ]  # fmt: skip
    (content / "manifest.raucm").write_text("\n".join(manifest) + "\n", encoding="ascii")
    remove(bundle)
    workspace.run(
        "rauc", "bundle", f"--cert={certificate}", f"--key={key}",
        f"--mksquashfs-args=-comp zstd -Xcompression-level 9 -processors {workspace.processes}", content, bundle,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(workspace.epoch_s)},
    )  # fmt: skip
    remove(content)


def image_step(disk: Step, *, name: str) -> Step:
    """The compressed card."""
    return Step("the compressed card", partial(_make_image, name=name), name, after=(disk,))


def _make_image(workspace: Workspace, *, name: str) -> None:
    unfinished = workspace.path("disk.img.xz")
    remove(unfinished)
    # blocks of one size and the plus sign, so that the number of processors does not change the file
    workspace.run("xz", "-1", "--block-size=64MiB", f"-T+{workspace.processes}", "--keep", workspace.path("disk.img"))
    unfinished.rename(workspace.path(name))


def hand_out(workspace: Workspace, names: list[str], to: Path) -> None:
    """Puts the files in one folder, with their checksums."""
    to.mkdir(parents=True, exist_ok=True)
    lines = []
    for name in names:
        remove(to / name)
        try:
            os.link(workspace.path(name), to / name)
        except OSError:
            shutil.copy(workspace.path(name), to / name)
        with (to / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    (to / "SHA256SUMS").write_text("".join(lines), encoding="ascii")
