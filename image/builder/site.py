"""Python's part: wheels from PyPI for aarch64, and what has to be compiled for it, without emulation."""

import os
import shutil
import sys
import venv
from pathlib import Path

from builder.steps import BuildError, Step, Workspace, remove

_TOOLS = ("pip==23.2.1", "setuptools==80.10.2", "wheel==0.45.1")
_PLATFORMS = ("manylinux_2_34", "manylinux_2_31", "manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "linux")
_PYTHON = (3, 11)


def tools_step() -> Step:
    """A private pip and setuptools of known versions."""
    return Step("pip and setuptools", _make_tools, "tools", settings=_TOOLS)


def site_step(base: Step, tools: Step, sources: tuple[Path, ...], checkout: Path) -> Step:
    """The project and all Python packages that it needs, as a folder `site`."""
    image = checkout / "image"
    files = (*sources, image / "python.txt", image / "python-source.txt")
    return Step("Python packages", _make_site, "site", after=(base, tools), files=files)


def _make_tools(workspace: Workspace) -> None:
    if sys.version_info[:2] != _PYTHON:
        raise BuildError("Debian 12's Python is 3.11: please build with that one")
    venv.create(workspace.path("tools"), with_pip=True, symlinks=True)
    workspace.run(_python(workspace), "-m", "pip", "install", "--quiet", *_TOOLS)


def _python(workspace: Workspace) -> Path:
    return workspace.path("tools") / "bin/python"


def _make_site(workspace: Workspace) -> None:
    unfinished, wheels = workspace.path("site.part"), workspace.path("wheels")
    for folder in (unfinished, wheels):
        remove(folder)
        folder.mkdir()
    environment = _cross_environment(workspace)
    workspace.run(
        _python(workspace), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:", "--require-hashes",
        "--no-build-isolation", "--dest", wheels, "--requirement", workspace.image / "python-source.txt",
    )  # fmt: skip
    for archive in wheels.glob("*.tar.gz"):
        source = wheels / "source"
        shutil.unpack_archive(archive, source, filter="data")
        _compile(workspace, next(source.iterdir()), wheels, environment)
        remove(source)
    _compile(workspace, _copy_of_project(workspace, wheels / "project"), wheels, environment)
    platforms = [f"--platform={name}_aarch64" for name in _PLATFORMS]
    install: tuple[str | Path, ...] = (
        _python(workspace), "-m", "pip", "install", "--quiet", "--no-deps", "--target", unfinished, "--no-compile",
        "--only-binary=:all:", "--python-version=3.11", *platforms,
    )  # fmt: skip
    workspace.run(*install, "--require-hashes", "--requirement", workspace.image / "python.txt")
    workspace.run(*install, *sorted(wheels.glob("*.whl")))
    _drop_unused(unfinished)
    for library in unfinished.rglob("*.so"):
        workspace.run("aarch64-linux-gnu-strip", "--strip-unneeded", library)
    # The root file system is read-only: what is compiled here is believed without a look at the source.
    workspace.run(
        _python(workspace), "-m", "compileall", "-q", "-s", unfinished, "-p", "/usr/local/lib/python3.11/dist-packages",
        "--invalidation-mode=unchecked-hash", unfinished,
    )  # fmt: skip
    unfinished.rename(workspace.path("site"))


def _cross_environment(workspace: Workspace) -> dict[str, str]:
    """What makes setuptools compile for arm64: Debian's own build settings of that Python, headers and libraries."""
    base, cross = workspace.path("base"), workspace.path("cross")
    remove(cross)
    for package in [*base.glob("cross/*.deb")]:
        workspace.run("dpkg-deb", "-x", package, cross)
    settings = cross / "settings"
    settings.mkdir()
    shutil.copy(base / "usr/lib/python3.11/_sysconfigdata__aarch64-linux-gnu.py", settings)
    include, libraries = cross / "usr/include", "usr/lib/aarch64-linux-gnu"
    for library in base.glob(f"{libraries}/libasound.so*"):
        shutil.copy(library, cross / libraries, follow_symlinks=False)
    return {
        **os.environ,
        "_PYTHON_HOST_PLATFORM": "linux-aarch64",
        "_PYTHON_SYSCONFIGDATA_NAME": "_sysconfigdata__aarch64-linux-gnu",
        "PYTHONPATH": str(settings),
        "CFLAGS": f"-I{include}/python3.11 -I{include} -ffile-prefix-map={workspace.directory}=.",
        "LDFLAGS": f"-L{cross / libraries}",
        "SOURCE_DATE_EPOCH": str(workspace.epoch_s),
    }


def _compile(workspace: Workspace, source: Path, wheels: Path, environment: dict[str, str]) -> None:
    setup = ("setup.py",) if (source / "setup.py").exists() else ("-c", "from setuptools import setup; setup()")
    workspace.run(
        _python(workspace), *setup, "--quiet", "bdist_wheel", "--dist-dir", wheels, env=environment, cwd=source
    )


def _copy_of_project(workspace: Workspace, to: Path) -> Path:
    """The tracked files alone, so that nothing of the working copy comes along."""
    for name in project_files(workspace):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(workspace.checkout / name, to / name)
    return to


def project_files(workspace: Workspace) -> list[str]:
    """The files of the project that the device's package is made of."""
    wanted = ("appliance", "pyproject.toml", "README.md", "LICENSE")
    git = ("git", "-c", "safe.directory=*", "-C", workspace.checkout)  # root builds what is somebody else's
    listed = workspace.run(*git, "ls-files", "-co", "--exclude-standard", "--", *wanted)
    return sorted(name for name in listed.splitlines() if (workspace.checkout / name).exists())


def _drop_unused(site: Path) -> None:
    """Tests, the libraries' own C headers, where pip looked, and its sums of scripts that name the build's folder."""
    told = ("*.dist-info/direct_url.json", "*.dist-info/RECORD")
    for pattern in ("numpy/**/tests", "numpy/core/include", "numpy/**/*.a", *told, "bin"):
        for path in list(site.glob(pattern)):
            remove(path)
