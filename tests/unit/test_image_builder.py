"""The image's steps and parts list, and the shell and U-Boot scripts, without building anything."""

import importlib
import json
import py_compile
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.card.apply import ERRORS_NAME, FILE_NAMES
from appliance.card.slots import FILE_BYTES, MAX_TRIES, Slots

IMAGE = Path(__file__).parents[2] / "image"
STATUS = """\
Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <libc@example.org>
Architecture: arm64
Version: 2.36-9+deb12u14
Description: GNU C Library
 with a second line: that looks like a field

Package: gone
Status: deinstall ok config-files
Architecture: arm64
Version: 1
"""


@pytest.fixture
def builder(monkeypatch):
    monkeypatch.syspath_prepend(str(IMAGE))
    yield lambda name: importlib.import_module(f"builder.{name}")
    for name in [name for name in sys.modules if name.split(".")[0] == "builder"]:
        del sys.modules[name]


def test_a_step_is_done_again_only_when_its_inputs_changed(builder, tmp_path):
    steps = builder("steps")
    workspace = steps.Workspace(tmp_path, tmp_path / "work", "1.0", 0, 1)
    workspace.directory.mkdir()
    source, made = tmp_path / "source", []
    source.write_text("a")

    def make(name):
        def act(space):
            made.append(name)
            space.path(name).write_text(source.read_text())

        return act

    def build():
        first = steps.Step("first", make("first"), "first", files=(source,))
        second = steps.Step("second", make("second"), "second", after=(first,))
        other = steps.Step("other", make("other"), "other")
        made.clear()
        steps.build([first, second, other], workspace)
        return made

    assert build() == ["first", "second", "other"]
    assert build() == []
    source.write_text("b")
    assert build() == ["first", "second"]
    workspace.path("other").unlink()
    assert build() == ["other"]


def test_a_step_that_failed_is_done_again(builder, tmp_path):
    steps = builder("steps")
    workspace = steps.Workspace(tmp_path, tmp_path, "1.0", 0, 1)

    def fail(space):
        space.path("half").write_text("half")
        space.run("sh", "-c", "echo why >&2; exit 3")

    for _ in range(2):
        with pytest.raises(steps.BuildError, match=r"(?s)why.*sh failed with 3"):
            steps.build([steps.Step("half", fail, "half")], workspace)


def test_the_parts_list_has_what_is_installed_and_follows_from_it(builder, tmp_path):
    sbom = builder("sbom")
    debian = sbom.debian_parts(STATUS)
    assert [part["purl"] for part in debian] == ["pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=arm64&distro=bookworm"]
    info = tmp_path / "Some_Thing-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Some_Thing\nVersion: 1.2\n\nWords: 3\n")
    python = sbom.python_parts(tmp_path)
    document = sbom.parts_list(debian=debian, python=python, version="0.1.0", epoch_s=0)
    assert json.dumps(document) == json.dumps(sbom.parts_list(debian=debian, python=python, version="0.1.0", epoch_s=0))
    assert {part["bom-ref"] for part in document["components"]} == set(document["dependencies"][0]["dependsOn"])
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    assert document["metadata"]["timestamp"] == "1970-01-01T00:00:00+00:00"


def test_python_packages_are_pinned_and_what_the_project_needs():
    text = (IMAGE / "python.txt").read_text() + (IMAGE / "python-source.txt").read_text()
    pinned = {line.split("==")[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert all("--hash=sha256:" in line for line in text.splitlines() if "==" in line)
    project = (IMAGE.parent / "pyproject.toml").read_text().split("dependencies = [")[1].split("]")[0]
    wanted = {re.match(r"[A-Za-z0-9.-]+", line.strip(' "'))[0] for line in project.split("\n") if '"' in line}
    assert wanted - {"ai-edge-litert"} <= pinned


def test_the_boot_script_agrees_with_the_slots_file():
    script = (IMAGE / "boot/boot.cmd").read_text()
    assert f"slots_bytes {FILE_BYTES:x}\n" in script
    assert f"BOOT_A_LEFT {MAX_TRIES}\n" in script
    names = re.findall(rb"BOOT_[A-Z_]+", Slots().to_bytes())
    for line in script.splitlines():
        if "env import -c" in line or "env export -c" in line:
            assert all(name.decode() in line for name in names)
    assert not any(len(line) > 900 for line in script.splitlines())


def test_the_devices_scripts_name_the_same_files():
    says = (IMAGE / "root/usr/lib/pipistrelle/card-says-something").read_text()
    assert " ".join(FILE_NAMES) in says
    assert ERRORS_NAME in (IMAGE / "README.md").read_text()


def test_scripts_are_shell(tmp_path):
    scripts = [path for path in (IMAGE / "root/usr/lib/pipistrelle").iterdir() if path.name != "version"]
    for path in [*scripts, IMAGE / "build", IMAGE / "test", IMAGE / "initramfs/init"]:
        subprocess.run(["sh", "-n", path], check=True)
        assert path.stat().st_mode & 0o111 or path.name == "init"
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", *scripts, IMAGE / "build", IMAGE / "test", IMAGE / "initramfs/init"], check=True)


def test_u_boot_waits_for_no_key(builder, tmp_path):
    disk = builder("disk")
    program, to = tmp_path / "u-boot.bin", tmp_path / "boot"
    to.mkdir()
    program.write_bytes(b"\x7fabc\0bootdelay=2\0baudrate=115200\0")
    disk._copy_without_prompt(program, to)
    assert (to / "u-boot.bin").read_bytes() == b"\x7fabc\0bootdelay=0\0baudrate=115200\0"
    program.write_bytes(b"bootdelay=5\0")
    with pytest.raises(builder("steps").BuildError, match="another one"):
        disk._copy_without_prompt(program, to)


def test_python_believes_what_was_compiled_for_a_read_only_root(builder, tmp_path):
    module = tmp_path / "usr/lib/python3.11/told.py"
    module.parent.mkdir(parents=True)
    module.write_text("WORD = 'compiled'\n")
    py_compile.compile(str(module), invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    module.write_text("WORD = 'source'\n")

    def word():
        code = "import told; print(told.WORD)"
        command = [sys.executable, "-B", "-c", code]
        return subprocess.run(command, cwd=module.parent, capture_output=True, text=True, check=True).stdout.strip()

    assert word() == "source"
    builder("root")._believe_compiled(tmp_path)
    assert word() == "compiled"
