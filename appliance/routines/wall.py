"""Whether the wall clock is to be believed. One that was never set shows 1970, or the day of the software's making."""

from datetime import datetime

_FIRST_YEAR, _LAST_YEAR = 2025, 9000


def is_set(wall: datetime) -> bool:
    """Whether the wall clock shows a time that can be true."""
    return _FIRST_YEAR <= wall.year < _LAST_YEAR
