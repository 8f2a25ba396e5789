"""`image/build`: from Debian's packages and this checkout to a card, step after step."""

import argparse
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from builder.base import base_step
from builder.bundle import bundle_step, hand_out, image_step, test_keys
from builder.disk import boot_step, disk_step
from builder.machine import check_rights, check_tools
from builder.root import root_image_step, root_step
from builder.sbom import sbom_step
from builder.site import project_files, site_step, tools_step
from builder.steps import BuildError, Step, Workspace, build

_CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Build what is asked for; returns the exit code."""
    args = _arguments()
    try:
        check_rights()
        check_tools()
        workspace = _workspace(args.directory, args.processes)
        if args.key is None:
            certificate, key = test_keys(workspace.directory.parent / "image-keys", workspace)
            print("the image trusts a test key made here: hand it to nobody (--key, --certificate)", file=sys.stderr)
        else:
            certificate, key = args.certificate, args.key
        steps, names = _steps(workspace, certificate=certificate, key=key, mirror=args.mirror)
        if args.for_tests:
            build([step for step in steps if step.output not in names], workspace)
            return 0
        build(steps, workspace)
        hand_out(workspace, names, args.output)
    except BuildError as error:
        print(f"\nimage/build: {error}", file=sys.stderr)
        return 1
    for name in (*names, "SHA256SUMS"):
        print(f"{(args.output / name).stat().st_size / 2**20:8.1f} MiB  {args.output / name}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="image/build",
        description="Makes the SD-card image for Raspberry Pi 3, 4 and Zero 2 W, its signed update bundle, its parts "
        "list (CycloneDX) and SHA256SUMS. A build that was stopped goes on where it was; what did not change is kept.",
    )
    directory = _CHECKOUT / "build/image"
    parser.add_argument("--directory", type=Path, default=directory, help="where to work, default: build/image")
    parser.add_argument("--output", type=Path, default=_CHECKOUT / "dist", help="where the results go, default: dist")
    parser.add_argument("--key", type=Path, help="private key (PEM) that signs updates; default: a test key made here")
    parser.add_argument("--certificate", type=Path, help="its certificate (PEM), which devices will trust")
    parser.add_argument("--mirror", help="Debian mirror; default: those of this machine's apt")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processors to use, default: all")
    parser.add_argument(
        "--for-tests", action="store_true", help="only what image/test takes: nothing is compressed or handed out"
    )
    args = parser.parse_args()
    if (args.key is None) != (args.certificate is None):
        parser.error("--key and --certificate belong together")
    return args


def _workspace(directory: Path, processes: int) -> Workspace:
    project = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or subprocess.check_output(
        ["git", "-c", "safe.directory=*", "-C", str(_CHECKOUT), "log", "-1", "--format=%ct"], text=True
    )
    directory.mkdir(parents=True, exist_ok=True)
    return Workspace(_CHECKOUT, directory.resolve(), project["version"], int(epoch), processes)


def _steps(workspace: Workspace, *, certificate: Path, key: Path, mirror: str | None) -> tuple[list[Step], list[str]]:
    """All steps in their order, and the names of the results."""
    checkout, stem = workspace.checkout, f"pipistrelle-{workspace.version}-arm64"
    sources = tuple(checkout / name for name in project_files(workspace))
    base, tools = base_step(checkout, mirror=mirror), tools_step()
    site = site_step(base, tools, sources, checkout)
    root = root_step(base, site, checkout, keyring=certificate)
    root_image, boot = root_image_step(root), boot_step(base, checkout)
    disk = disk_step(boot, root_image)
    bundle = bundle_step(root_image, name=f"{stem}.raucb", certificate=certificate, key=key, version=workspace.version)
    image, sbom = image_step(disk, name=f"{stem}.img.xz"), sbom_step(base, site, name=f"{stem}.cdx.json")
    steps = [base, tools, site, root, root_image, boot, disk, bundle, image, sbom]
    return steps, [image.output, bundle.output, sbom.output]


if __name__ == "__main__":
    sys.exit(main())
