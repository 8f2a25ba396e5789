"""The C core without Python, under AddressSanitizer and UndefinedBehaviorSanitizer."""

import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
CSRC = HERE.parents[1] / "appliance/dsp/csrc"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


def core_sources():
    """Every C file of the extension but those that know Python."""
    return sorted(str(path) for path in CSRC.glob("*.c") if not knows_python(path))


def knows_python(path):
    return path.name == "_core.c" or path.name.startswith("bind")


@pytest.fixture(scope="module")
def compiler():
    found = shutil.which(os.environ.get("CC", "gcc"))
    if found is None:
        pytest.skip("no C compiler here (set CC)")
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("test_*.c")))
def test_core_passes_its_tests_under_sanitizers(compiler, tmp_path, name):
    program = tmp_path / name
    build = [compiler, "-std=c11", "-g", "-O1", *WARNINGS, *SANITIZERS, f"-I{CSRC}"]
    build += [str(HERE / f"{name}.c"), *core_sources(), "-lm", "-o", str(program)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(program)], capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_only_bindings_know_python():
    for path in CSRC.iterdir():
        text = path.read_text()
        assert ("Python.h" in text or "binding.h" in text) == knows_python(path), path.name
