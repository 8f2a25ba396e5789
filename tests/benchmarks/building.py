"""Compiles the benchmark's C programs, with the flags that the extension itself is built with."""

import functools
import os
import pathlib
import platform
import shutil
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).parents[2]
CORE = ROOT / "appliance/dsp/csrc"
HERE = pathlib.Path(__file__).parent / "csrc"

COMPETITOR_FLAGS = ["-std=gnu11", "-O3", "-ffast-math"]
"""What is around a competitor's library gets what helps it most; on x86-64 also the instructions of AVX2."""
if platform.machine() == "x86_64":
    COMPETITOR_FLAGS += ["-mavx2", "-mfma"]


def compiler() -> str | None:
    """The C compiler, None where there is none."""
    return shutil.which(os.environ.get("CC", "gcc"))


def compiler_version(name: str) -> str:
    """The first line of what it says of itself."""
    told = subprocess.run([name, "--version"], check=True, capture_output=True, text=True).stdout
    return told.splitlines()[0]


@functools.cache
def extension() -> dict[str, list[str]]:
    """The extension's part of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"][0]


def core_sources() -> list[pathlib.Path]:
    """The files of the C core that know nothing of Python."""
    named = (ROOT / source for source in extension()["sources"])
    return [path for path in named if path.name != "_core.c" and not path.name.startswith("bind")]


def compile_objects(sources, folder, *, flags, using=None):
    """Object files of `sources` in `folder`."""
    objects = []
    for source in sources:
        target = folder / f"{source.stem}.o"
        build = [using or compiler(), *flags, f"-I{CORE}", f"-I{HERE}", f"-I{folder}", "-c", str(source)]
        subprocess.run([*build, "-o", str(target)], check=True)
        objects.append(str(target))
    return objects


def core_objects(folder, *, using=None, flags=()):
    """The C core, as the extension has it."""
    return compile_objects(core_sources(), folder, flags=[*extension()["extra-compile-args"], *flags], using=using)


def has_header(header: str) -> bool:
    """True where the compiler finds it."""
    asked = subprocess.run(
        [compiler(), "-E", "-"], input=f"#include <{header}>\n", capture_output=True, text=True, check=False
    )
    return asked.returncode == 0


def link(objects, libraries, target, *, using=None, flags=()):
    """A program from object files."""
    named = [f"-l{library}" for library in libraries]
    subprocess.run([using or compiler(), *flags, *objects, *named, "-lm", "-o", str(target)], check=True)
    return target
