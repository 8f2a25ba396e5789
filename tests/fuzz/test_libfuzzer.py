"""A few seconds of libFuzzer on each C object; `make fuzz` takes longer."""

import pytest
from fuzz import libfuzzer


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    if libfuzzer.compiler() is None:
        pytest.skip("no clang (apt-get install clang, or set CLANG)")
    return libfuzzer.build_core(tmp_path_factory.mktemp("core"))


@pytest.mark.parametrize("harness", libfuzzer.HARNESSES)
def test_nothing_is_found_in_some_seconds(harness, core, tmp_path):
    said, code = libfuzzer.fuzz(libfuzzer.build(harness, core, tmp_path), seconds=2, folder=tmp_path)
    assert code == 0, said[-4000:]
    assert libfuzzer.executions(said) > 10
