"""The committed taps meet the bars of the signal path and are what the design script gives."""

import numpy as np
import pytest
from reference import design_filters as design


@pytest.mark.parametrize("rate_hz", design.STAGE_1_TAPS)
def test_cascade_is_flat_to_900_hz_and_87_db_down_from_1100_hz(rate_hz):
    offset_hz = np.arange(0.0, rate_hz / 2 + 1.0, 2.0)
    gain_db = 20 * np.log10(np.abs(design.committed_cascade(rate_hz).response(offset_hz)) + 1e-15)
    assert np.abs(gain_db[offset_hz <= 900]).max() < 0.1
    assert gain_db[offset_hz >= 1100].max() < -87


def test_fractional_delay_errs_by_less_than_90_db_below_68_khz_of_192():
    farrow = design.tables_in(design.TAPS_H.read_text())["pp_farrow"]
    cycles, offset = np.linspace(0, 68 / 192, 301), np.linspace(-0.5, 0.5, 101)
    ideal = np.exp(-2j * np.pi * np.outer(cycles, offset))
    error = np.abs(design.farrow_response(farrow, cycles, offset) - ideal).max()
    assert 20 * np.log10(error) < -90


def test_committed_taps_are_what_the_script_gives():
    committed, designed = design.tables_in(design.TAPS_H.read_text()), design.tables_in(design.taps_h())
    assert committed.keys() == designed.keys()
    for name, taps in designed.items():
        np.testing.assert_allclose(committed[name], taps, atol=1e-5, rtol=0, err_msg=name)
