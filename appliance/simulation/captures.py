"""Where motion captures are: in PyPI's `pybullet`, whose data is free (zlib licence), and in folders of one's own."""

import functools
import importlib.util
import lzma
from pathlib import Path

from appliance.errors import SourceError
from appliance.fields import did_you_mean
from appliance.simulation.asf import parse_amc
from appliance.simulation.bvh import parse_bvh
from appliance.simulation.clip import Clip, Where
from appliance.simulation.deepmimic import parse_deepmimic

_KINDS = (".bvh", ".amc", ".txt")
_MAX_BYTES = 100_000_000
_PREFIX = "humanoid3d_"


class Captures:
    """Motion captures by name: `walk`, `run`, `02_01`, ...

    Args:
        folders: searched with everything below them, before pybullet's.
    """

    def __init__(self, folders: tuple[Path, ...] = ()) -> None:
        for folder in folders:
            if not folder.is_dir():
                raise SourceError(f"{folder}: no such folder of motion captures")
        self._paths: dict[str, Path] = {}
        for folder in (*_pybullet(), *folders):
            for path in sorted(folder.rglob("*")):
                if (name := _name(path)) is not None:
                    self._paths[name] = path

    @property
    def names(self) -> tuple[str, ...]:
        """All there are."""
        return tuple(sorted(self._paths))

    def clip(self, name: str) -> Clip:
        """The capture of that name.

        Raises:
            SourceError: there is none, or its file is damaged.
        """
        if name not in self._paths:
            where = (
                "" if self._paths else "; none is installed: pip install 'pipistrelle[simulation]', or name a folder"
            )
            raise SourceError(f"no motion capture is called {name}{did_you_mean(name, self._paths)}{where}")
        return load_clip(self._paths[name])


def _pybullet() -> tuple[Path, ...]:
    """Pybullet's folder, without importing anything of it."""
    spec = importlib.util.find_spec("pybullet_data")
    if spec is None or spec.origin is None:
        return ()
    return (Path(spec.origin).parent / "data" / "motions",)


def _name(path: Path) -> str | None:
    plain = path.with_suffix("") if path.suffix == ".xz" else path
    is_humanoid = plain.suffix != ".txt" or plain.name.startswith(_PREFIX)
    return plain.stem.removeprefix(_PREFIX) if plain.suffix in _KINDS and is_humanoid else None


@functools.lru_cache(maxsize=64)
def load_clip(path: Path) -> Clip:
    """The capture in a BVH, AMC (its ASF beside it) or DeepMimic file, packed with xz or not.

    Raises:
        SourceError: it is missing or damaged; the message begins with file:line:column.
    """
    text, where = _read(path), Where(path)
    plain = path.with_suffix("") if path.suffix == ".xz" else path
    if plain.suffix == ".bvh":
        return parse_bvh(text, where)
    if plain.suffix == ".amc":
        asf = _asf_of(path, plain)
        return parse_amc(text, where, _read(asf), Where(asf))
    if plain.suffix == ".txt":
        return parse_deepmimic(text, where)
    return where.refuse(1, f"is no motion capture; known are {', '.join(_KINDS)}")


def _asf_of(path: Path, plain: Path) -> Path:
    """The skeleton beside an AMC file: of the same name, or of the subject before the underscore."""
    for stem in (plain.stem, plain.stem.split("_")[0]):
        for suffix in (".asf", ".asf.xz"):
            if (found := path.with_name(stem + suffix)).exists():
                return found
    return Where(path).refuse(1, f"its skeleton {plain.stem.split('_')[0]}.asf is missing beside it")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES)
        if path.suffix == ".xz":
            raw = lzma.LZMADecompressor().decompress(raw, _MAX_BYTES)
        return raw.decode("utf-8-sig")
    except OSError as error:
        return Where(path).refuse(1, f"cannot be read: {error.strerror or error}")
    except lzma.LZMAError as error:
        return Where(path).refuse(1, f"is no whole xz file: {error}")
    except UnicodeDecodeError:
        return Where(path).refuse(1, "is not text")
