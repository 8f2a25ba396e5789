"""From a level in the room to an amplitude at the converter, never above the cap."""

from appliance.physics import MAX_LEVEL_DB_SPL


def amplitude_for(level_db_spl: float, *, full_scale_db_spl: float) -> float:
    """Amplitude (0..1 of full scale) that gives `level_db_spl` at 1 m.

    Args:
        level_db_spl: wanted level at 1 m; more than the cap gives the cap.
        full_scale_db_spl: level at 1 m that the tweeter gives at full scale.
    """
    level_db_spl = min(MAX_LEVEL_DB_SPL, level_db_spl)  # in this order, so that a NaN gives the cap
    return float(min(1.0, 10.0 ** ((level_db_spl - full_scale_db_spl) / 20.0)))


def fit(*amplitudes: float, cap: float) -> tuple[float, ...]:
    """Amplitudes of what sounds at once, all turned down alike where their sum would exceed `cap`."""
    together = sum(amplitudes)
    return tuple(amplitude * cap / together for amplitude in amplitudes) if together > cap else amplitudes
