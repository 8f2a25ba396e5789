"""Every file of the C core is named in pyproject.toml, without which a source distribution would lack it."""

import pathlib
import tomllib

ROOT = pathlib.Path(__file__).parents[2]


def test_every_c_file_is_in_the_build_description():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (extension,) = pyproject["tool"]["setuptools"]["ext-modules"]
    present = {str(path.relative_to(ROOT)) for path in (ROOT / "appliance/dsp/csrc").iterdir()}
    assert present == {*extension["sources"], *extension["depends"]}
    assert {path for path in present if path.endswith(".c")} == set(extension["sources"])
