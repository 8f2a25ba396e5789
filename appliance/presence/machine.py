"""Presence as a table of transitions.

Rules
- Unknown is where everything begins and where a room that cannot be sensed returns to. It never means vacant.
- Motion that lasts `CONFIRM_S` makes a room occupied from any state.
- A room becomes vacant only after `hold_s` of sensing without motion; a gap between scores is not sensing.
- Each state and stimulus has exactly one entry; one that is missing is a fault of the program and raises.
"""

import enum

from appliance.events import PresenceChanged
from appliance.types import Presence, Score

CONFIRM_S = 0.1
"""Motion shorter than this is an event, but no evidence of a person."""

MIN_HOLD_S = 5.0
MAX_HOLD_S = 3600.0
"""What an owner may ask for, in the configuration and over MQTT."""

_GAP_S = 0.1
"""Scores come every 27 ms; between two that are further apart nobody listened."""


class Stimulus(enum.Enum):
    """What can happen to presence."""

    MOTION = "motion"
    HELD_OUT = "hold time over"
    BLIND = "cannot sense"


TRANSITIONS: dict[tuple[Presence, Stimulus], Presence] = {
    (Presence.UNKNOWN, Stimulus.MOTION): Presence.OCCUPIED,
    (Presence.UNKNOWN, Stimulus.HELD_OUT): Presence.VACANT,
    (Presence.UNKNOWN, Stimulus.BLIND): Presence.UNKNOWN,
    (Presence.VACANT, Stimulus.MOTION): Presence.OCCUPIED,
    (Presence.VACANT, Stimulus.HELD_OUT): Presence.VACANT,
    (Presence.VACANT, Stimulus.BLIND): Presence.UNKNOWN,
    (Presence.OCCUPIED, Stimulus.MOTION): Presence.OCCUPIED,
    (Presence.OCCUPIED, Stimulus.HELD_OUT): Presence.VACANT,
    (Presence.OCCUPIED, Stimulus.BLIND): Presence.UNKNOWN,
}


class PresenceMachine:
    """Holds the room's presence; fed with every score, and told when the room cannot be sensed."""

    def __init__(self, *, hold_s: float) -> None:
        self.hold_s = hold_s
        self.presence = Presence.UNKNOWN
        self.cause = "starting"
        self._forget()

    def _forget(self) -> None:
        self._last_s: float | None = None
        self._quiet_since_s: float | None = None
        self._moving_since_s: float | None = None
        self._highest_score = 0.0

    def process(self, score: Score, *, moving: bool) -> list[PresenceChanged]:
        """The change that one score brings about, if any."""
        self._leave_out_gap(score.t_s)
        if moving:
            return self._motion(score)
        self._moving_since_s = None
        if self._quiet_since_s is None:
            self._quiet_since_s = score.t_s
            self._highest_score = 0.0
        self._highest_score = max(self._highest_score, score.motion)
        if score.t_s - self._quiet_since_s < self.hold_s:
            return []
        cause = f"no motion for {self.hold_s:g} s"
        return self._apply(Stimulus.HELD_OUT, score.t_s, confidence=1.0 - self._highest_score, cause=cause)

    def _leave_out_gap(self, now_s: float) -> None:
        gap_s = 0.0 if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        if gap_s <= _GAP_S:
            return
        self._moving_since_s = None
        if self._quiet_since_s is not None:
            self._quiet_since_s += gap_s

    def _motion(self, score: Score) -> list[PresenceChanged]:
        self._quiet_since_s = None
        if self._moving_since_s is None:
            self._moving_since_s = score.t_s
        if score.t_s - self._moving_since_s < CONFIRM_S:
            return []
        return self._apply(Stimulus.MOTION, score.t_s, confidence=score.motion, cause="motion")

    def blind(self, *, t_s: float, cause: str) -> list[PresenceChanged]:
        """The room cannot be sensed; what was seen before no longer counts."""
        self._forget()
        return self._apply(Stimulus.BLIND, t_s, confidence=0.0, cause=cause)

    def _apply(self, stimulus: Stimulus, t_s: float, *, confidence: float, cause: str) -> list[PresenceChanged]:
        previous, self.presence = self.presence, TRANSITIONS[self.presence, stimulus]
        if self.presence is previous:
            return []
        self.cause = cause
        return [PresenceChanged(t_s, self.presence, previous, confidence, cause)]
