"""Runs of routines: modes, cooldown, and the way from one action to the next. Pure.

A run goes on by itself until it waits, for a delay or for an effect outside; then the engine has to say that the time
is over or that the effect is finished. An action that fails ends its run, because those behind it may rest on it.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from appliance.errors import RoutineError
from appliance.routines.conditions import Judge, judge
from appliance.routines.daytime import Refusal
from appliance.routines.effects import Cancel, Instant, Note, Output, Perform, Refused, line
from appliance.routines.facts import Facts
from appliance.routines.fill import effect_of
from appliance.routines.notation import duration_words
from appliance.routines.outcome import Outcome
from appliance.routines.schema import (
    Action,
    ChooseAction,
    DelayAction,
    Routine,
    RoutineAction,
    SetValueAction,
    WebhookAction,
)
from appliance.routines.template import as_text, render_tree, shown

MAX_CALLS = 100
"""Routines that one event may start through other routines; more is a fault of the file."""

_ANSWERS = 4096
"""Different conditions whose answers are remembered during one event; where there are more, few are shared."""

Way = tuple[int, ...]
"""To a list of actions within a routine: pairs of a `choose`'s place and its option's, -1 for the default."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a routine fires: in words, and what its texts may say of it as `{trigger.topic}` and so on."""

    cause: str
    info: dict[str, Any] = field(default_factory=dict)
    by_hand: bool = False
    """Whether somebody started it, who wants to hear what becomes of it."""


@dataclass(slots=True)
class Rule:
    """A routine with what goes on in it. `order` is its place in the file, `judge` asks its conditions."""

    routine: Routine
    order: int
    judge: Judge | None
    id: str = field(init=False)
    runs: "list[Run]" = field(default_factory=list)
    queue: deque[Trigger] = field(default_factory=deque)
    cooldown_until_s: float | None = None

    def __post_init__(self) -> None:
        self.id = self.routine.id


Found = tuple[Rule, Trigger]
"""A rule whose trigger came."""


@dataclass(slots=True)
class Block:
    """A list of actions, which way it lies in the routine, and which of it comes next."""

    actions: tuple[Action, ...]
    way: Way = ()
    next: int = 0


@dataclass(slots=True)
class Run:
    """One run of a routine. `wake_s` is when its delay is over, None while it waits for an effect."""

    number: int
    rule: Rule
    trigger: Trigger
    own: dict[str, Any]
    blocks: list[Block]
    wake_s: float | None = None
    answer_to: str | None = None
    performing: bool = False


class Runs:
    """All runs under way.

    `number_from` is the first run's number; none is used twice, so that a late answer cannot reach a later run.
    """

    def __init__(self, facts: Facts, *, number_from: int = 1) -> None:
        self._facts = facts
        self._next_number = number_from
        self._by_number: dict[int, Run] = {}
        self._delays: list[tuple[float, int]] = []
        self._calls: deque[tuple[str, Trigger]] = deque()
        self.rules: dict[str, Rule] = {}
        self.outputs: list[Output] = []

    # What comes from outside

    def fire(self, found: Iterable[Found], at: Instant) -> None:
        """Triggers came: conditions, cooldown and mode decide; then everything that follows at once.

        Rules with the same conditions share the answer, until something runs that might change it.
        """
        answers: dict[Judge, Refusal | None] = {}
        own: dict[str, Any] = {}
        cause: Trigger | None = None
        refused: list[tuple[str, Refusal]] = []
        for rule, trigger in found:
            if trigger is not cause:
                cause, own = trigger, {"trigger": trigger.info}
                answers.clear()
                refused = []
            judge = rule.judge
            if judge is not None:
                if judge in answers:
                    why = answers[judge]
                else:
                    try:
                        why = judge(self._facts, own, at)
                    except RoutineError as error:
                        self._cannot_judge(rule, trigger, error, at)
                        refused = []
                        continue
                    if len(answers) < _ANSWERS:
                        answers[judge] = why
                if why is not None:
                    if not refused:
                        self.outputs.append(Refused(trigger.cause, at, refused, trigger.by_hand))
                    refused.append((rule.id, why))
                    continue
            self._enter(rule, trigger, at)
            self._start_called(at)
            answers.clear()
            refused = []

    def next_wake_s(self) -> float | None:
        """When the next delay is over."""
        while self._delays and not self._is_delay(*self._delays[0]):
            heapq.heappop(self._delays)
        return self._delays[0][0] if self._delays else None

    def wake(self, at: Instant) -> None:
        """Go on with the run whose delay is over first."""
        _, number = heapq.heappop(self._delays)
        run = self._by_number[number]
        run.wake_s = None
        self._note(run.rule, run.trigger, Outcome.RESUMED, "the wait is over", at)
        self._go_on(run, at)
        self._start_called(at)

    def finished(self, number: int, at: Instant, *, answer: Any, error: str | None) -> None:
        """The effect of a run is over; those of runs that were cancelled are of no interest."""
        run = self._by_number.get(number)
        if run is None or not run.performing:
            return
        run.performing = False
        if error is not None:
            self._fail(run, error, at)
        else:
            if run.answer_to is not None:
                run.own[run.answer_to] = answer
                run.answer_to = None
            self._go_on(run, at)
        self._start_called(at)

    def cancel(self, rule: Rule, why: str, at: Instant) -> None:
        """End all runs of a routine, and those that wait for their turn."""
        while rule.queue:
            self._note(rule, rule.queue.popleft(), Outcome.FORGOTTEN, why, at)
        for run in tuple(rule.runs):
            self._forget(run)
            if run.performing:
                self.outputs.append(Cancel(run.number, rule.routine.id))
            self._note(rule, run.trigger, Outcome.FORGOTTEN, why, at)

    def resume(self, rule: Rule, trigger: Trigger, own: dict[str, Any], blocks: list[Block], wake_s: float) -> None:
        """Take up a run again that waited for a delay before a restart."""
        run = self._make(rule, trigger, own, blocks)
        self._sleep(run, wake_s)

    def waiting(self) -> Iterable[Run]:
        """Runs in a delay."""
        return [run for run in self._by_number.values() if run.wake_s is not None]

    # Deciding

    def _start_called(self, at: Instant) -> None:
        """Fire the routines that runs have started by an action, and those that they start."""
        for _ in range(MAX_CALLS):
            if not self._calls:
                return
            called, why = self._calls.popleft()
            self._fire(self.rules[called], why, at)
        if self._calls:
            called, why = self._calls[0]
            self._calls.clear()
            words = f"routine {called}: not started, with {MAX_CALLS} others at the same moment ({why.cause})"
            self._note(self.rules[called], why, Outcome.FAILED, words, at)

    def _fire(self, rule: Rule, trigger: Trigger, at: Instant) -> None:
        """As `fire`, for one rule that another one starts."""
        try:
            why = rule.judge(self._facts, {"trigger": trigger.info}, at) if rule.judge else None
        except RoutineError as error:
            self._cannot_judge(rule, trigger, error, at)
            return
        if why is not None:
            self.outputs.append(Refused(trigger.cause, at, [(rule.routine.id, why)], trigger.by_hand))
            return
        self._enter(rule, trigger, at)

    def _cannot_judge(self, rule: Rule, trigger: Trigger, error: RoutineError, at: Instant) -> None:
        words = f"routine {rule.routine.id}: a condition cannot be judged: {error}"
        self._note(rule, trigger, Outcome.FAILED, words, at)

    def _enter(self, rule: Rule, trigger: Trigger, at: Instant) -> None:
        """The conditions hold: cooldown and mode decide."""
        if rule.cooldown_until_s is not None and at.elapsed_s < rule.cooldown_until_s:
            left = duration_words(round(rule.cooldown_until_s - at.elapsed_s, 1))
            self._note(rule, trigger, Outcome.COOLDOWN, f"cooldown, {left} left ({trigger.cause})", at)
            return
        if not self._has_room(rule, trigger, at):
            return
        if rule.routine.cooldown_s:
            rule.cooldown_until_s = at.elapsed_s + rule.routine.cooldown_s
        self._begin(rule, trigger, at)

    def _has_room(self, rule: Rule, trigger: Trigger, at: Instant) -> bool:
        """Whether the mode lets a run begin now; what it does else is done here."""
        routine = rule.routine
        if not rule.runs:
            return True
        match routine.mode:
            case "single":
                self._note(rule, trigger, Outcome.DROPPED, f"still running, mode single ({trigger.cause})", at)
                return False
            case "restart":
                self.cancel(rule, f"begun anew, mode restart ({trigger.cause})", at)
                return True
            case "parallel" if len(rule.runs) < routine.max:
                return True
            case "queued" if len(rule.runs) + len(rule.queue) < routine.max:
                rule.queue.append(trigger)
                if routine.cooldown_s:
                    rule.cooldown_until_s = at.elapsed_s + routine.cooldown_s
                self._note(rule, trigger, Outcome.QUEUED, f"waits for its turn, mode queued ({trigger.cause})", at)
                return False
        words = f"{routine.max} run or wait already, mode {routine.mode} ({trigger.cause})"
        self._note(rule, trigger, Outcome.DROPPED, words, at)
        return False

    # Running

    def _begin(self, rule: Rule, trigger: Trigger, at: Instant) -> None:
        self._note(rule, trigger, Outcome.FIRED, trigger.cause, at)
        run = self._make(rule, trigger, {"trigger": trigger.info}, [Block(rule.routine.actions)])
        self._go_on(run, at)

    def _make(self, rule: Rule, trigger: Trigger, own: dict[str, Any], blocks: list[Block]) -> Run:
        run = Run(self._next_number, rule, trigger, own, blocks)
        self._next_number += 1
        self._by_number[run.number] = run
        rule.runs.append(run)
        return run

    def _go_on(self, run: Run, at: Instant) -> None:
        while run.blocks:
            block = run.blocks[-1]
            if block.next == len(block.actions):
                run.blocks.pop()
                continue
            action = block.actions[block.next]
            block.next += 1
            try:
                waits = self._do(run, block, action, at)
            except RoutineError as error:
                self._fail(run, str(error), at)
                return
            if waits:
                return
        self._end(run, Outcome.DONE, "", at)

    def _do(self, run: Run, block: Block, action: Action, at: Instant) -> bool:
        """Does one action; returns whether the run waits now."""
        lookup = self._facts.lookup(run.rule.routine.variables, run.own)
        match action:
            case DelayAction():
                if action.for_s:
                    self._sleep(run, at.elapsed_s + action.for_s)
                    self._note(run.rule, run.trigger, Outcome.WAITS, duration_words(action.for_s), at)
                return bool(action.for_s)
            case ChooseAction():
                run.blocks.append(self._choose(run, block, action, at))
                return False
            case SetValueAction():
                value = render_tree(action.value, lookup)
                self._facts.values[action.name] = value
                self._note(run.rule, run.trigger, Outcome.SET, f"{action.name} = {shown(as_text(value))}", at)
                return False
            case RoutineAction():
                self._calls.append((action.routine, Trigger(f"routine {run.rule.routine.id}", run.trigger.info)))
                return False
            case _:
                run.performing = True
                run.answer_to = action.response_variable if isinstance(action, WebhookAction) else None
                self.outputs.append(
                    Perform(run.number, run.rule.routine.id, _place(run), effect_of(action, lookup), at)
                )
                return True

    def _choose(self, run: Run, block: Block, action: ChooseAction, at: Instant) -> Block:
        place = block.next - 1
        whys = []
        for index, option in enumerate(action.options):
            why = judge(option.conditions, run.rule.routine.variables)(self._facts, run.own, at)
            if why is None:
                self._note(run.rule, run.trigger, Outcome.CHOSE, f"option {index + 1}", at)
                return Block(option.actions, (*block.way, place, index))
            whys.append(f"option {index + 1}: {why()}")
        self._note(run.rule, run.trigger, Outcome.CHOSE, f"the default ({'; '.join(whys)})", at)
        return Block(action.default, (*block.way, place, -1))

    def _sleep(self, run: Run, wake_s: float) -> None:
        run.wake_s = wake_s
        heapq.heappush(self._delays, (wake_s, run.number))

    def _is_delay(self, wake_s: float, number: int) -> bool:
        run = self._by_number.get(number)
        return run is not None and run.wake_s == wake_s

    def _fail(self, run: Run, words: str, at: Instant) -> None:
        self._end(run, Outcome.FAILED, f"routine {run.rule.routine.id}: {_place(run)}: {words}", at)

    def _end(self, run: Run, outcome: Outcome, words: str, at: Instant) -> None:
        self._forget(run)
        rule = run.rule
        self._note(rule, run.trigger, outcome, words, at)
        if rule.queue and not rule.runs:
            # Its conditions held when it was queued.
            self._begin(rule, rule.queue.popleft(), at)

    def _forget(self, run: Run) -> None:
        del self._by_number[run.number]
        run.rule.runs.remove(run)

    def _note(self, rule: Rule, trigger: Trigger, outcome: Outcome, words: str, at: Instant) -> None:
        self.outputs.append(Note(rule.routine.id, outcome, line(words), at, trigger.by_hand))


def _place(run: Run) -> str:
    """`action 2 (webhook)`, or `action 2.1.3 (webhook)` within a choose: action 2, option 1, action 3."""
    block = run.blocks[-1]
    steps = [*(step + 1 for step in block.way), block.next]
    name = block.actions[block.next - 1].action
    return f"action {'.'.join(str(step) if step else 'default' for step in steps)} ({name})"
