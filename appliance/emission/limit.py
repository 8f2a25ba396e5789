"""From a level in the room to an amplitude at the converter, never above the cap."""

from appliance.physics import MAX_LEVEL_DB_SPL


def amplitude_for(level_db_spl: float, *, full_scale_db_spl: float) -> float:
    """Amplitude (0..1 of full scale) that gives `level_db_spl` at 1 m.

    Args:
        level_db_spl: wanted level at 1 m; more than the cap gives the cap.
        full_scale_db_spl: level at 1 m that the tweeter gives at full scale.
    """
    level_db_spl = min(level_db_spl, MAX_LEVEL_DB_SPL)
    return float(min(1.0, 10.0 ** ((level_db_spl - full_scale_db_spl) / 20.0)))
