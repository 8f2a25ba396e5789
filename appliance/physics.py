"""Physical relations used by more than one room: each constant and formula of the project exists here, once."""

import math

MIN_CARRIER_HZ = 32_000.0
"""Nothing is ever emitted below this; cats and dogs hear less with every kHz above it."""

MAX_LEVEL_DB_SPL = 80.0
"""Hard cap of the emitted level at 1 m, sweeps included (IRPA 1984 permits 100 dB in the same band)."""


def speed_of_sound_mps(temperature_c: float = 20.0) -> float:
    """Speed of sound in air (m/s) at a temperature in Celsius; the ideal-gas relation with 331.3 m/s at 0 C."""
    return 331.3 * math.sqrt(1.0 + temperature_c / 273.15)


def doppler_hz(radial_mps: float, carrier_hz: float, temperature_c: float = 20.0) -> float:
    """Two-way Doppler shift (Hz) of an echo; + for a reflector that comes towards the array. 2 v f / c for v << c."""
    return 2.0 * radial_mps * carrier_hz / speed_of_sound_mps(temperature_c)


def radial_velocity_mps(shift_hz: float, carrier_hz: float, temperature_c: float = 20.0) -> float:
    """Radial velocity (m/s, + towards the array) that gives a two-way Doppler shift (Hz)."""
    return shift_hz * speed_of_sound_mps(temperature_c) / (2.0 * carrier_hz)


def air_absorption_db_per_m(
    frequency_hz: float,
    *,
    temperature_c: float = 20.0,
    relative_humidity_percent: float = 50.0,
    pressure_kpa: float = 101.325,
) -> float:
    """Pure-tone attenuation of sound by air in dB/m, ISO 9613-1:1993, equations (3) to (5) and annex B."""
    kelvin = temperature_c + 273.15
    reference_k = 293.15
    triple_point_k = 273.16
    pressure = pressure_kpa / 101.325
    saturation = math.pow(10.0, -6.8346 * math.pow(triple_point_k / kelvin, 1.261) + 4.6151)
    water_percent = relative_humidity_percent * saturation / pressure
    oxygen_hz = pressure * (24.0 + 4.04e4 * water_percent * (0.02 + water_percent) / (0.391 + water_percent))
    nitrogen_hz = (
        pressure
        * math.pow(kelvin / reference_k, -0.5)
        * (9.0 + 280.0 * water_percent * math.exp(-4.170 * (math.pow(kelvin / reference_k, -1.0 / 3.0) - 1.0)))
    )
    squared = frequency_hz * frequency_hz
    classical = 1.84e-11 / pressure * math.pow(kelvin / reference_k, 0.5)
    oxygen = 0.01275 * math.exp(-2239.1 / kelvin) / (oxygen_hz + squared / oxygen_hz)
    nitrogen = 0.1068 * math.exp(-3352.0 / kelvin) / (nitrogen_hz + squared / nitrogen_hz)
    return 8.686 * squared * (classical + math.pow(kelvin / reference_k, -2.5) * (oxygen + nitrogen))
