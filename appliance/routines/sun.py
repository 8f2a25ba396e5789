"""Sunrise and sunset at a place, by astral, which is imported when the sun is first asked for."""

import functools
from datetime import UTC, date, datetime, timedelta, tzinfo

from appliance.routines.notation import Sun


class SunTimes:
    """When the sun rises and sets.

    Args:
        latitude: degrees, north is positive.
        longitude: degrees, east is positive.
    """

    def __init__(self, latitude: float, longitude: float) -> None:
        self._latitude, self._longitude = latitude, longitude
        # Bounded by what a year's search needs; shared by all routines that ask for the same day.
        self._utc = functools.lru_cache(maxsize=1024)(self._calculate)

    def on(self, day: date, event: Sun, zone: tzinfo) -> datetime | None:
        """The event of a local day in `zone`; None where the sun does not rise or set on it.

        Near the poles the sun may pass its event just before or behind midnight: the days beside are asked, too.
        """
        for shift in (0, -1, 1):
            found = self._utc(day + timedelta(days=shift), event)
            if found is not None and found.astimezone(zone).date() == day:
                return found.astimezone(zone)
        return None

    def _calculate(self, day: date, event: Sun) -> datetime | None:
        from astral import Observer
        from astral.sun import sunrise, sunset

        observer = Observer(self._latitude, self._longitude)
        try:
            return (sunrise if event == "sunrise" else sunset)(observer, day, tzinfo=UTC)
        except ValueError:
            # astral's word for a sun that stays above or below the horizon
            return None
