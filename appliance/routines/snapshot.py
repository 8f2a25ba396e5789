"""What the engine must not forget over a restart, as plain JSON, and back. Pure.

Deadlines are wall-clock times. A timer is taken up again only where the routine of its name still has the trigger or
the delay that it belongs to.
"""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from appliance.routines.effects import Instant
from appliance.routines.engine import Engine, Stay
from appliance.routines.runs import Block, Rule, Trigger, Way
from appliance.routines.schema import ChooseAction, DelayAction, PresenceTrigger, Routine
from appliance.routines.wall import is_set
from appliance.types import Presence


class _Saved(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Stay(_Saved):
    routine: str
    to: Presence
    for_s: float
    deadline: AwareDatetime


class _Run(_Saved):
    routine: str
    cause: str
    own: dict[str, Any]
    way: tuple[int, ...]
    next: Annotated[int, Field(ge=1)]
    for_s: float
    deadline: AwareDatetime


class _Queued(_Saved):
    routine: str
    cause: str
    info: dict[str, Any]


class _Cooldown(_Saved):
    routine: str
    until: AwareDatetime


class Snapshot(_Saved):
    """Everything pending at one moment."""

    version: Literal[1] = 1
    saved_at: AwareDatetime
    presence: Presence
    stays: tuple[_Stay, ...]
    runs: tuple[_Run, ...]
    queued: tuple[_Queued, ...]
    cooldowns: tuple[_Cooldown, ...]
    values: dict[str, Any]


def take(engine: Engine, at: Instant) -> Snapshot:
    """What is pending now."""

    def wall(deadline_s: float) -> datetime:
        # Whole milliseconds: one deadline gives the same text at each look.
        moment = at.wall.astimezone(UTC) + timedelta(seconds=deadline_s - at.elapsed_s)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    rules = engine.runs.rules.values()
    return Snapshot(
        saved_at=at.wall.astimezone(UTC),
        presence=engine.held_presence or engine.facts.presence,
        stays=tuple(
            _Stay(
                routine=stay.rule.routine.id,
                to=stay.trigger.to,
                for_s=stay.trigger.for_s,
                deadline=wall(stay.deadline_s),
            )
            for stay in sorted(engine.held if engine.held_presence else engine.stays)
        ),
        runs=tuple(
            _Run(
                routine=run.rule.routine.id,
                cause=run.trigger.cause,
                own=run.own,
                way=run.blocks[-1].way,
                next=run.blocks[-1].next,
                for_s=_delay_s(run.blocks[-1]) or 0.0,
                deadline=wall(run.wake_s),
            )
            for run in engine.runs.waiting()
            if run.wake_s is not None
        ),
        queued=tuple(
            _Queued(routine=rule.routine.id, cause=trigger.cause, info=trigger.info)
            for rule in rules
            for trigger in rule.queue
        ),
        cooldowns=tuple(
            _Cooldown(routine=rule.routine.id, until=wall(rule.cooldown_until_s))
            for rule in rules
            if rule.cooldown_until_s is not None and rule.cooldown_until_s > at.elapsed_s
        ),
        values=dict(engine.facts.values),
    )


def restore(engine: Engine, saved: Snapshot, at: Instant) -> list[str]:
    """Give a new engine, before its start, what was pending; returns what could not be taken up again, in words."""

    def elapsed(deadline: datetime) -> float:
        """Never later than what was left to wait, whatever the clock did meanwhile."""
        left = deadline - saved.saved_at
        if is_set(at.wall) and is_set(saved.saved_at):
            left = min(left, deadline - at.wall.astimezone(UTC))
        return at.elapsed_s + max(0.0, left.total_seconds())

    lost: list[str] = []
    engine.facts.values.update(saved.values)
    engine.held_presence = saved.presence
    _restore_stays(engine, saved, elapsed, lost)
    _restore_runs(engine, saved, elapsed, lost)
    for cooldown in saved.cooldowns:
        if (rule := engine.runs.rules.get(cooldown.routine)) is not None:
            rule.cooldown_until_s = elapsed(cooldown.until)
    return lost


def _restore_stays(engine: Engine, saved: Snapshot, elapsed: Callable[[datetime], float], lost: list[str]) -> None:
    watched = {
        (rule.routine.id, trigger.to, trigger.for_s): (rule, place, trigger)
        for rule in engine.runs.rules.values()
        for place, trigger in enumerate(rule.routine.triggers)
        if isinstance(trigger, PresenceTrigger)
    }
    taken = set()
    for stay in saved.stays:
        found = watched.get((stay.routine, stay.to, stay.for_s))
        if found is None or stay.to is not saved.presence:
            lost.append(f"routine {stay.routine}: its wait for presence {stay.to} is dropped; the routine was changed")
            continue
        rule, place, trigger = found
        if (rule.order, place) in taken:
            continue
        taken.add((rule.order, place))
        engine.held.append(Stay(elapsed(stay.deadline), rule.order, place, rule, trigger))


def _restore_runs(engine: Engine, saved: Snapshot, elapsed: Callable[[datetime], float], lost: list[str]) -> None:
    rules = engine.runs.rules
    for run in saved.runs:
        rule = rules.get(run.routine)
        blocks = _blocks(rule.routine, run.way, run.next) if rule else None
        if rule is None or blocks is None or _delay_s(blocks[-1]) != run.for_s or not _may_run(rule):
            lost.append(f"routine {run.routine}: its wait is dropped; the routine was changed")
            continue
        trigger = Trigger(run.cause, run.own.get("trigger", {}))
        engine.runs.resume(rule, trigger, run.own, blocks, elapsed(run.deadline))
    for queued in saved.queued:
        rule = rules.get(queued.routine)
        if rule is not None and rule.runs and rule.routine.mode == "queued":
            rule.queue.append(Trigger(queued.cause, queued.info))
        else:
            lost.append(f"routine {queued.routine}: a run that waited for its turn is dropped")
    for rule in rules.values():
        rule.queue = deque(list(rule.queue)[: rule.routine.max - 1])


def _may_run(rule: Rule) -> bool:
    return not rule.runs or (rule.routine.mode == "parallel" and len(rule.runs) < rule.routine.max)


def _delay_s(block: Block) -> float | None:
    action = block.actions[block.next - 1]
    return action.for_s if isinstance(action, DelayAction) else None


def _blocks(routine: Routine, way: Way, following: int) -> list[Block] | None:
    """The lists of actions on a way, each with what comes next in it; None where the routine has no such way."""
    blocks = [Block(routine.actions)]
    for place, option in zip(way[::2], way[1::2], strict=True) if len(way) % 2 == 0 else ():
        block = blocks[-1]
        action = block.actions[place] if 0 <= place < len(block.actions) else None
        if not isinstance(action, ChooseAction) or not -1 <= option < len(action.options):
            return None
        block.next = place + 1
        actions = action.default if option == -1 else action.options[option].actions
        blocks.append(Block(actions, (*block.way, place, option)))
    if len(way) % 2 or following > len(blocks[-1].actions):
        return None
    blocks[-1].next = following
    return blocks
