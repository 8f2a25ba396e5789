"""The parts list, in CycloneDX 1.5: every Debian and Python package of the image with its version."""

import email.parser
import json
import uuid
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from builder.machine import RELEASE
from builder.steps import Step, Workspace


def sbom_step(base: Step, site: Step, *, name: str) -> Step:
    """The parts list."""
    return Step("the parts list", partial(_make_sbom, name=name), name, after=(base, site))


def _make_sbom(workspace: Workspace, *, name: str) -> None:
    status = (workspace.path("base") / "var/lib/dpkg/status").read_text(encoding="utf-8")
    document = parts_list(
        debian=debian_parts(status),
        python=python_parts(workspace.path("site")),
        version=workspace.version,
        epoch_s=workspace.epoch_s,
    )
    workspace.path(name).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def debian_parts(status: str) -> list[dict[str, Any]]:
    """The installed packages of dpkg's status file."""
    parts = []
    for paragraph in status.split("\n\n"):
        fields = email.parser.HeaderParser().parsestr(paragraph)
        if fields["Status"] != "install ok installed":
            continue
        name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
        place = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}&distro={RELEASE}"
        parts.append(
            {
                "type": "library",
                "bom-ref": place,
                "supplier": {"name": fields["Maintainer"]},
                "name": name,
                "version": version,
                "purl": place,
            }
        )
    return parts


def python_parts(site: Path) -> list[dict[str, Any]]:
    """The distributions of a folder of Python packages."""
    parts = []
    for metadata in sorted(site.glob("*.dist-info/METADATA")):
        fields = email.parser.HeaderParser().parsestr(metadata.read_text(encoding="utf-8"))
        name, version = fields["Name"].lower().replace("_", "-"), fields["Version"]
        place = f"pkg:pypi/{quote(name)}@{quote(version)}"
        parts.append({"type": "library", "bom-ref": place, "name": name, "version": version, "purl": place})
    return parts


def parts_list(
    *, debian: list[dict[str, Any]], python: list[dict[str, Any]], version: str, epoch_s: int
) -> dict[str, Any]:
    """The document; its serial number follows from what is in it."""
    components = sorted(debian + python, key=lambda part: str(part["bom-ref"]))
    content = json.dumps([version, components], sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch_s, UTC).isoformat(),
            "component": {
                "type": "operating-system",
                "bom-ref": "pipistrelle-image",
                "name": "pipistrelle-image",
                "version": version,
            },
        },
        "components": components,
        "dependencies": [{"ref": "pipistrelle-image", "dependsOn": [part["bom-ref"] for part in components]}],
    }
