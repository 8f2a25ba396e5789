"""One number from 0 to 100 for how easily motion is believed: each 20 more accept ten times as many false alarms."""

import math

MIN_SENSITIVITY = 0.0
MAX_SENSITIVITY = 100.0

_PER_DECADE = 20.0
_AT_ZERO_PER_DAY = 0.001


def false_alarms_per_day(sensitivity: float) -> float:
    """False alarms a day that a sensitivity accepts in a stationary, empty room: 0.001 at 0, 1 at 60, 100 at 100."""
    return float(_AT_ZERO_PER_DAY * 10.0 ** (sensitivity / _PER_DECADE))


def sensitivity(false_alarms_per_day: float) -> float:
    """The sensitivity that accepts so many false alarms a day."""
    return _PER_DECADE * math.log10(false_alarms_per_day / _AT_ZERO_PER_DAY)
