"""What lies in systemd/, as far as it can be judged without booting it; tests/systemd boots it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.app import _WAIT_FOR_CARD_S
from appliance.starts import RUNTIME_DIRECTORY, SETTLED_S

UNITS = Path(__file__).resolve().parents[2] / "systemd"


def settings(name):
    """The lines `key=value` of a unit; of a key that is given again, the last."""
    return dict(re.findall(r"^(\w+)=(.*)$", (UNITS / name).read_text(), re.MULTILINE))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", ["pipistrelle.service", "pipistrelle-broker.service"])
def test_exposure_is_low(name):
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNITS / name)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert float(re.search(r"exposure level for \S+: ([0-9.]+)", told)[1]) <= 2.0


def test_the_unit_and_the_program_mean_the_same():
    unit = settings("pipistrelle.service")
    assert unit["StartLimitIntervalSec"] == "0"
    assert unit["Restart"] == "always"
    assert float(unit["TimeoutStartSec"]) > _WAIT_FOR_CARD_S + 15.0
    assert Path("/run", unit["RuntimeDirectory"]) == RUNTIME_DIRECTORY
    assert settings("pipistrelle-healthy.timer")["OnActiveSec"] == f"{SETTLED_S / 60:g}min"
    condition = settings("pipistrelle-healthy.service")["ConditionPathExists"]
    assert condition == f"!{RUNTIME_DIRECTORY}/safe-mode"


def test_all_is_installed_below_a_root_and_the_owners_file_is_kept(tmp_path):
    for _ in range(2):
        subprocess.run(["sh", str(UNITS / "install"), "--root", str(tmp_path)], check=True)
        (tmp_path / "etc/pipistrelle/broker.conf").write_text("mine")
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {
        "etc/pipistrelle/broker.conf",
        "usr/lib/systemd/system/pipistrelle-broker.service",
        "usr/lib/systemd/system/pipistrelle-healthy.service",
        "usr/lib/systemd/system/pipistrelle-healthy.timer",
        "usr/lib/systemd/system/pipistrelle-look.service",
        "usr/lib/systemd/system/pipistrelle-look.timer",
        "usr/lib/systemd/system/pipistrelle-update.path",
        "usr/lib/systemd/system/pipistrelle-update.service",
        "usr/lib/systemd/system/pipistrelle.service",
        "usr/lib/sysusers.d/pipistrelle.conf",
        "usr/lib/tmpfiles.d/pipistrelle.conf",
        "usr/lib/udev/rules.d/70-pipistrelle.rules",
    }
    assert all((tmp_path / name).stat().st_mode & 0o777 == 0o644 for name in found)
    named = (UNITS / "README.md").read_text()
    assert all(f"`{name.name}`" in named for name in UNITS.iterdir() if name.suffix not in {".md", ".service"})


def test_install_refuses_what_it_does_not_know(tmp_path):
    refused = subprocess.run(["sh", str(UNITS / "install"), "--rot"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "install --root DIR" in refused.stderr
