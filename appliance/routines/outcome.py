"""How decisions are told. It stands alone because messages name it, and a service without routines needs no more."""

import enum


class Outcome(enum.Enum):
    """What became of a trigger, or of a run."""

    FIRED = "fired"
    CONDITION = "condition false"
    COOLDOWN = "cooldown"
    DROPPED = "dropped"
    QUEUED = "queued"
    WAITS = "waits"
    RESUMED = "resumed"
    SET = "set"
    CHOSE = "chose"
    FAILED = "failed"
    FORGOTTEN = "forgotten"
    DONE = "done"
