"""The pipeline of a service that keeps snippets: it remembers the last seconds, and hands over what is in doubt.

Everything here runs in the audio thread; what is handed over is written by another one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance import __version__
from appliance.classify.second import SecondOpinion
from appliance.errors import OutputError
from appliance.events import Event
from appliance.features.evidence import FEATURE_VERSION
from appliance.pipeline import Pipeline, Step
from appliance.snippets.answer import Answer
from appliance.snippets.doubt import DoubtWatch, highest_doubt
from appliance.snippets.ring import BasebandRing
from appliance.snippets.snippet import Facts, Reason, Snippet, motion_of, score_row
from appliance.types import BasebandBlock, RangeFrame

_LEAST_S = 2.0
"""What is shorter tells nothing: the detector itself learns the room for longer."""

_APART_S = 600.0
"""Between two snippets for one reason: a fan all night is one lesson, not a thousand."""

_ASKED_APART_S = 5.0
"""Between two that a person asks for, or a program that does not know when to stop."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept and where it goes.

    `before_s` and `after_s` are seconds of sound around the moment, `least_doubt` is that of a score near the
    threshold, `put` takes a snippet at once; `model_sha256` says what judges, None for the threshold detector.
    """

    before_s: float
    after_s: float
    least_doubt: float
    put: Callable[[Snippet], None]
    model_sha256: str | None = None
    pets: bool = False


def keep_now(answer: Answer, refuse: Callable[[str], None]) -> Callable[[Pipeline, float], list[Event]]:
    """What has a pipeline keep a snippet between two blocks; `refuse` is told where it cannot."""

    def request(pipeline: Pipeline, _t_s: float) -> list[Event]:
        if not isinstance(pipeline, KeepingPipeline):
            refuse("captures.on is false in the configuration")
            return []
        try:
            pipeline.keep_now(answer)
        except OutputError as error:
            refuse(str(error))
        return []

    return request


class KeepingPipeline(Pipeline):
    """A `Pipeline` that keeps snippets; takes what that takes, and `keeping`."""

    def __init__(self, *, keeping: Keeping, rate_hz: int, mics: int, **more: Any) -> None:
        super().__init__(rate_hz=rate_hz, mics=mics, **more)
        self._keeping = keeping
        self._rate_hz = rate_hz
        self._false_alarms_per_day: float = more["false_alarms_per_day"]
        self._ring = BasebandRing(
            carriers=len(self._down.carriers_hz),
            mics=mics,
            rate_hz=self._down.output_rate_hz,
            seconds=keeping.before_s + keeping.after_s,
        )
        self._watch = DoubtWatch(least_doubt=keeping.least_doubt)
        self._kept_s: dict[Reason, float] = {}
        self._source = "none"
        self._forget()

    def sense(
        self,
        baseband: BasebandBlock,
        *,
        end_s: float,
        lost_frames: int = 0,
        silent: bool = False,
        faults: tuple[str, ...] = (),
        ranges: Sequence[RangeFrame] = (),
    ) -> Step:
        """As `Pipeline` does it."""
        step = super().sense(
            baseband, end_s=end_s, lost_frames=lost_frames, silent=silent, faults=faults, ranges=ranges
        )
        if lost_frames or silent or self._was_blind:
            # a snippet bridges no gap: what its replay begins with is what was known here
            self._forget()
        if not silent and not self._was_blind:
            self._now_s = end_s
            self._ring.add(baseband, end_frame=round(end_s * self._rate_hz))
            self._look(step)
        return step

    def tune(self, *, false_alarms_per_day: float) -> None:
        """Accept so many false alarms from now on."""
        super().tune(false_alarms_per_day=false_alarms_per_day)
        self._false_alarms_per_day = false_alarms_per_day

    def keep_now(self, answer: Answer) -> None:
        """Keep what was heard up to now, because somebody says that it was judged wrongly.

        Raises:
            OutputError: there is too little of it.
        """
        if self._ring.held_s < _LEAST_S:
            raise OutputError(f"nothing was sensed in the last {_LEAST_S:g} s")
        if self._now_s - self._kept_s.get(Reason.WRONG, -math.inf) < _ASKED_APART_S:
            raise OutputError(f"the last capture was asked for less than {_ASKED_APART_S:g} s ago")
        self._hand_over(Reason.WRONG, self._now_s, answer)

    def _forget(self) -> None:
        self._ring.reset()
        self._watch.reset()
        self._pending: tuple[Reason, float] | None = None
        self._now_s = 0.0

    def _look(self, step: Step) -> None:
        detector = self._detector
        others: Mapping[float, float] = detector.said() if isinstance(detector, SecondOpinion) else {}
        for score in step.scores:
            other = others.get(score.t_s, math.nan)
            self._ring.note(score_row(score, other))
            self._source = score.source
            reason = self._watch.process(score, other)
            if reason is not None and self._pending is None and self._is_news(reason, score.t_s):
                self._pending = (reason, score.t_s)
        if self._pending is not None and self._now_s >= self._pending[1] + self._keeping.after_s:
            self._hand_over(*self._pending, None)

    def _is_news(self, reason: Reason, t_s: float) -> bool:
        return t_s - self._kept_s.get(reason, -math.inf) >= _APART_S

    def _hand_over(self, why: Reason, at_s: float, answer: Answer | None) -> None:
        self._pending = None
        self._kept_s[why] = at_s
        taken = self._ring.take()
        if taken is None:
            return
        first_frame, iq, blocks, scores = taken
        scores = scores[scores[:, 0] > first_frame / self._rate_hz]
        facts = Facts(
            why=why,
            at_s=at_s,
            doubt=highest_doubt(motion_of(scores)),
            answer=answer,
            source=self._source,
            model_sha256=self._keeping.model_sha256,
            false_alarms_per_day=self._false_alarms_per_day,
            pets=self._keeping.pets,
            feature_version=FEATURE_VERSION,
            software=__version__,
            pcm_rate_hz=self._rate_hz,
            rate_hz=self._down.output_rate_hz,
            carriers_hz=self._down.carriers_hz,
            first_frame=first_frame,
        )
        self._keeping.put(Snippet(facts, iq, blocks, scores))
