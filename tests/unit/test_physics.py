"""Physical relations against published values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.physics import air_absorption_db_per_m, doppler_hz, radial_velocity_mps, speed_of_sound_mps


@pytest.mark.parametrize(
    ("temperature_c", "humidity_percent", "frequency_hz", "db_per_m"),
    [
        (20, 50, 32_000, 1.02),
        (20, 50, 36_000, 1.17),
        (20, 50, 40_000, 1.32),
        (20, 50, 45_000, 1.49),
        (20, 20, 32_000, 0.67),
        (20, 20, 45_000, 0.86),
        (10, 20, 32_000, 0.34),
        (10, 20, 45_000, 0.50),
        (35, 30, 32_000, 1.12),
        (35, 30, 45_000, 1.85),
    ],
)
def test_absorption_of_air_is_what_iso_9613_1_gives(temperature_c, humidity_percent, frequency_hz, db_per_m):
    found = air_absorption_db_per_m(
        frequency_hz, temperature_c=temperature_c, relative_humidity_percent=humidity_percent
    )
    assert found == pytest.approx(db_per_m, abs=0.01)


@pytest.mark.parametrize(
    ("temperature_c", "humidity_percent", "db_per_km"),
    [
        (10, 70, (0.1, 0.4, 1.0, 1.9, 3.7, 9.7, 32.8, 117.0)),
        (20, 70, (0.1, 0.3, 1.1, 2.8, 5.0, 9.0, 22.9, 76.6)),
        (30, 70, (0.1, 0.3, 1.0, 3.1, 7.4, 12.7, 23.1, 59.3)),
        (15, 20, (0.3, 0.6, 1.2, 2.7, 8.2, 28.2, 88.8, 202.0)),
        (15, 50, (0.1, 0.5, 1.2, 2.2, 4.2, 10.8, 36.2, 129.0)),
        (15, 80, (0.1, 0.3, 1.1, 2.4, 4.1, 8.3, 23.7, 82.8)),
    ],
)
def test_absorption_of_air_is_what_the_standard_prints(temperature_c, humidity_percent, db_per_km):
    # ISO 9613-2, table 2: octaves from 63 Hz to 8 kHz, at their exact middle frequencies, to about its printed digits.
    for octave, printed in enumerate(db_per_km):
        found = 1000 * air_absorption_db_per_m(
            1000 * 10 ** (0.3 * (octave - 4)), temperature_c=temperature_c, relative_humidity_percent=humidity_percent
        )
        assert found == pytest.approx(printed, abs=0.06 if printed < 100 else 0.6)


def test_thinner_air_is_another_medium():
    at_sea, in_davos = (air_absorption_db_per_m(40_000, pressure_kpa=kpa) for kpa in (101.325, 84.0))
    assert in_davos != pytest.approx(at_sea, rel=0.01)


@pytest.mark.parametrize(("temperature_c", "speed_mps"), [(0, 331.3), (20, 343.2), (-20, 318.9), (35, 351.9)])
def test_speed_of_sound(temperature_c, speed_mps):
    assert speed_of_sound_mps(temperature_c) == pytest.approx(speed_mps, abs=0.2)


def test_a_walker_shifts_40_khz_by_280_hz_upwards_when_he_comes():
    assert doppler_hz(1.2, 40_000) == pytest.approx(280, abs=1)
    assert doppler_hz(-1.2, 40_000) == pytest.approx(-280, abs=1)
    assert doppler_hz(4.5, 40_000) == pytest.approx(1_050, abs=2)


@given(st.floats(-10, 10), st.floats(32_000, 90_000), st.floats(-10, 40))
def test_velocity_and_shift_are_inverse(radial_mps, carrier_hz, temperature_c):
    shift_hz = doppler_hz(radial_mps, carrier_hz, temperature_c)
    assert radial_velocity_mps(shift_hz, carrier_hz, temperature_c) == pytest.approx(radial_mps, abs=1e-12)
