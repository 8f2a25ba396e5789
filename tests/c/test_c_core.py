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


def found(program):
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"no {program} here")
    return path


def output_of(compiler, options, tmp_path, runner=()):
    """What the tests print: the instruction sets that they ran on."""
    program = tmp_path / "test_core"
    build = [compiler, "-std=c11", *options, *WARNINGS, f"-I{CSRC}"]
    build += [str(HERE / "test_core.c"), *core_sources(), "-lm", "-o", str(program)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([*runner, str(program)], capture_output=True, text=True, check=False, timeout=240)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.split()


def test_core_passes_its_tests_under_sanitizers(tmp_path):
    assert "generic" in output_of(found(os.environ.get("CC", "gcc")), ["-g", "-O1", *SANITIZERS], tmp_path)


def test_core_passes_its_tests_when_clang_compiles_it(tmp_path):
    assert "generic" in output_of(found("clang"), ["-O2"], tmp_path)


@pytest.mark.parametrize(
    "optimisation",
    [pytest.param(["-O1"], marks=pytest.mark.slow), ["-O3", "-ffp-contract=fast", "-mcpu=cortex-a53"]],
)
def test_core_passes_its_tests_on_64_bit_arm(optimisation, tmp_path):
    compiler, emulator = found("aarch64-linux-gnu-gcc"), found("qemu-aarch64-static")
    assert output_of(compiler, ["-static", *optimisation], tmp_path, [emulator]) == ["generic", "neon"]


def test_only_bindings_know_python():
    for path in CSRC.iterdir():
        text = path.read_text()
        assert ("Python.h" in text or "binding.h" in text) == knows_python(path), path.name
