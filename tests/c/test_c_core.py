"""The C core without Python: under AddressSanitizer and UndefinedBehaviorSanitizer, by clang, and on 64-bit ARM."""

import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
CSRC = HERE.parents[1] / "appliance/dsp/csrc"
TESTS = sorted(HERE.glob("test_*.c"))
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


def core_sources():
    """Every C file of the extension but those that know Python."""
    return sorted(str(path) for path in CSRC.glob("*.c") if not knows_python(path))


def knows_python(path):
    return path.name == "_core.c" or path.name.startswith("bind")


def found(program):
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"no {program} here")
    return path


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def outputs_of(compiler, options, folder, runner=()):
    """What each test program prints."""
    build = [compiler, "-std=c11", *options, *WARNINGS, f"-I{CSRC}"]
    run([*build, "-c", *core_sources()], folder)
    objects = sorted(str(path) for path in folder.glob("*.o"))
    for source in TESTS:
        run([*build, str(source), *objects, "-lm", "-o", source.stem], folder)
    return {source.stem: run([*runner, str(folder / source.stem)], folder).split() for source in TESTS}


def test_core_passes_its_tests_under_sanitizers(tmp_path):
    printed = outputs_of(found(os.environ.get("CC", "gcc")), ["-g", "-O1", *SANITIZERS], tmp_path)
    assert "generic" in printed["test_core"]


def test_core_passes_its_tests_when_clang_compiles_it(tmp_path):
    assert "generic" in outputs_of(found("clang"), ["-O2"], tmp_path)["test_core"]


@pytest.mark.parametrize(
    "optimisation",
    [pytest.param(["-O1"], marks=pytest.mark.slow), ["-O3", "-ffp-contract=fast", "-mcpu=cortex-a53"]],
)
def test_core_passes_its_tests_on_64_bit_arm(optimisation, tmp_path):
    compiler, emulator = found("aarch64-linux-gnu-gcc"), found("qemu-aarch64-static")
    printed = outputs_of(compiler, ["-static", *optimisation], tmp_path, [emulator])
    assert printed["test_core"] == ["generic", "neon"]


def test_only_bindings_know_python():
    for path in CSRC.iterdir():
        text = path.read_text()
        assert ("Python.h" in text or "binding.h" in text) == knows_python(path), path.name
