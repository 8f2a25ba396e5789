"""A build is a list of steps; a step whose inputs are what they were is not done again."""

import ast
import hashlib
import inspect
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path


class BuildError(Exception):
    """What stops the build, in words for whoever runs it."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a build works, and what is the same for all its steps.

    Attributes:
        checkout: the project.
        directory: everything that is made; may be removed at any time.
        version: of the project, and so of the image.
        epoch_s: SOURCE_DATE_EPOCH: the time that everything in the image carries.
        processes: how many processors to use.
    """

    checkout: Path
    directory: Path
    version: str
    epoch_s: int
    processes: int

    @property
    def image(self) -> Path:
        """The folder of the project that describes the image."""
        return self.checkout / "image"

    def path(self, name: str) -> Path:
        """Something that a step makes."""
        return self.directory / name

    def run(
        self, *command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: str = ""
    ) -> str:
        """Run a command; its output goes to the log and back.

        Raises:
            BuildError: it failed; holds the end of its output.
        """
        argv = [str(argument) for argument in command]
        with self.path("log.txt").open("a", encoding="utf-8") as log:
            print("+", *argv, file=log)
            log.flush()
            done = subprocess.run(
                argv, env=env, cwd=cwd, input=stdin, text=True, stdout=subprocess.PIPE, stderr=log, check=False
            )
            log.write(done.stdout)
        if done.returncode:
            with self.path("log.txt").open(encoding="utf-8") as log:
                end = "".join(log.readlines()[-25:])
            raise BuildError(f"{end}\n{argv[0]} failed with {done.returncode}; all of it is in {self.path('log.txt')}")
        return done.stdout


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to make.

    Attributes:
        title: what is told while it is made.
        make: makes `output`, which does not exist then.
        output: a file or folder below the workspace.
        after: the steps whose output it takes.
        files: files and folders of the project that it reads.
        settings: anything else that it depends on.
    """

    title: str
    make: Callable[[Workspace], None]
    output: str
    after: tuple["Step", ...] = ()
    files: tuple[Path, ...] = ()
    settings: tuple[str, ...] = ()

    def key(self) -> str:
        """Changes whenever the output would."""
        digest = hashlib.sha256()
        parts = [_meaning_of(self.make), self.output, *self.settings, *(step.key() for step in self.after)]
        for part in parts:
            digest.update(part.encode() + b"\0")
        for name, content in _contents(self.files):
            digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        return digest.hexdigest()


def _meaning_of(make: Callable[[Workspace], None]) -> str:
    """The source of the module that a function stands in, without its form and comments."""
    function = make.func if isinstance(make, partial) else make
    source = Path(inspect.getfile(function)).read_text(encoding="utf-8")
    return ast.dump(ast.parse(source))


def _contents(files: Iterable[Path]) -> Iterable[tuple[str, bytes]]:
    for top in files:
        inside = sorted(path for path in top.rglob("*") if path.is_file()) if top.is_dir() else [top]
        for path in inside:
            if "__pycache__" not in path.parts:
                yield f"{path.relative_to(top.parent)} {path.stat().st_mode & 0o111:o}", path.read_bytes()


def build(steps: Sequence[Step], workspace: Workspace) -> None:
    """Make what is not there or has other inputs now; a build that was killed goes on with the step it was at."""
    began_s = time.monotonic()
    for number, step in enumerate(steps, 1):
        output, stamp = workspace.path(step.output), workspace.path(f"{step.output}.key")
        place, key = f"[{number}/{len(steps)}] {step.title}", step.key()
        if output.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == key:
            _tell(f"{place}: there already")
            continue
        stamp.unlink(missing_ok=True)
        remove(output)
        _tell(f"{place} ...", end="")
        step_began_s = time.monotonic()
        step.make(workspace)
        stamp.write_text(key, encoding="ascii")
        _tell(f" {time.monotonic() - step_began_s:.0f} s")
    _tell(f"built in {time.monotonic() - began_s:.0f} s")


def remove(path: Path) -> None:
    """A file or folder, or nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _tell(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)
