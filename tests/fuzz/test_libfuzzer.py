"""A few seconds of libFuzzer on each C object; `make fuzz` takes longer."""

import pytest
from fuzz import libfuzzer


@pytest.mark.parametrize("harness", libfuzzer.HARNESSES)
def test_nothing_is_found_in_some_seconds(harness, tmp_path):
    if libfuzzer.compiler() is None:
        pytest.skip("no clang (apt-get install clang, or set CLANG)")
    said, code = libfuzzer.fuzz(libfuzzer.build(harness, tmp_path), seconds=2, folder=tmp_path)
    assert code == 0, said[-4000:]
    assert libfuzzer.executions(said) > 10
