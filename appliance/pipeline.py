"""The whole way, from one block of microphone samples to events and the wanted emission."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from appliance.cancel.carrier import CarrierState, CarrierWatch
from appliance.cancel.clutter import ClutterCanceller
from appliance.classify.threshold import ThresholdDetector
from appliance.dsp.downconvert import DownConverter
from appliance.dsp.quality import StreamQuality
from appliance.dsp.ranges import RangeGate
from appliance.events import EmissionChanged, Event, StreamHealth
from appliance.features.doppler import Doppler
from appliance.ports import Detector
from appliance.presence.machine import PresenceMachine
from appliance.presence.motion import MotionTracker
from appliance.types import BasebandBlock, DopplerFrame, Emission, PcmBlock, RangeFrame, Score

SETTLE_S = 0.1
"""Time after a gap or a switched tone until filters and echoes have died away."""

_LOSS_SHOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one block brought: events, the frames and scores they came from, and the echoes of pulses by range."""

    events: tuple[Event, ...]
    frames: tuple[DopplerFrame, ...] = ()
    scores: tuple[Score, ...] = ()
    ranges: tuple[RangeFrame, ...] = ()


class Pipeline:
    """PcmBlock in, events and the wanted emission out. Its clock is the frame counter.

    Args:
        rate_hz: rate of the blocks, 192000 or 96000.
        mics: microphones in a block.
        emission: what the tweeter plays when it is on; the carriers of its tones are listened for.
        hold_s: time without motion after which an occupied room is vacant.
        false_alarms_per_day: how often a stationary empty room may be called moving.
        make_detector: makes what judges the frames of a `Doppler`; None for the `ThresholdDetector`.
        tweeter_distance_m: from the tweeter to the microphones, by which ranges are counted.

    Raises:
        ValueError: the emission has no tones; chirps alone tell nothing here yet.
    """

    def __init__(
        self,
        *,
        rate_hz: int,
        mics: int,
        emission: Emission,
        hold_s: float,
        false_alarms_per_day: float,
        make_detector: Callable[[Doppler], Detector] | None = None,
        tweeter_distance_m: float = 0.06,
    ) -> None:
        if emission.tones is None:
            raise ValueError("emission: wanted tones, got none; motion is seen by tones")
        carriers_hz = emission.tones.carriers_hz
        self.emission = emission
        self.lost_frames = 0
        self._faults: tuple[str, ...] = ()
        self._loss_shown_until_s = 0.0
        self._settled_s = SETTLE_S
        self._was_blind = True

        self._quality = StreamQuality()
        self._down = DownConverter(rate_hz=rate_hz, mics=mics, carriers_hz=carriers_hz)
        self._carrier = CarrierWatch()
        self._clutter = ClutterCanceller()
        self._doppler = Doppler(
            carriers_hz=carriers_hz, mics=mics, rate_hz=self._down.output_rate_hz, pcm_rate_hz=rate_hz
        )
        self._detector: Detector = (
            make_detector(self._doppler)
            if make_detector
            else ThresholdDetector(doppler=self._doppler, false_alarms_per_day=false_alarms_per_day)
        )
        self._ranges: RangeGate | None = None
        if emission.chirps is not None:
            direct_m = [tweeter_distance_m] * mics
            self._ranges = RangeGate(emission.chirps, rate_hz=rate_hz, mics=mics, direct_m=direct_m)
        self._motion = MotionTracker()
        self.presence = PresenceMachine(hold_s=hold_s)

    def process(self, block: PcmBlock) -> Step:
        """Everything that one block brings about, in order."""
        faults = self._quality.process(block)
        silent, lost_frames = self._quality.silent, block.lost_frames_before
        baseband = self._down.process(block)
        ranges = () if self._ranges is None or self._was_blind else tuple(self._ranges.process(block))
        return self.sense(
            baseband, end_s=block.end_s, lost_frames=lost_frames, silent=silent, faults=faults, ranges=ranges
        )

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
        """The way from baseband on, which is all of it for a source that gives no PCM.

        Args:
            baseband: as the down-conversion gives it, of one block's length.
            end_s: stream time just behind the block.
            lost_frames: PCM frames that are missing before it.
            silent: whether the microphones gave nothing.
            faults: what else is known to be wrong with the block.
            ranges: echoes of the pulses that the block completed.
        """
        found = list(faults)
        if lost_frames:
            self.lost_frames += lost_frames
            self._loss_shown_until_s = end_s + _LOSS_SHOWN_S
            self._settle(end_s)
        if end_s < self._loss_shown_until_s:
            found.append("frames_lost")
        if silent:
            self._settle(end_s)
        if self._detector.failure is not None:
            found.append("model_failed")
        missing = self._listen_for_tone(baseband, end_s)
        if missing and self.emission.on:
            found.append("tone_missing")

        events: list[Event] = self._say_health(tuple(found), end_s, lost_frames)
        if missing or "silence" in found or not self.emission.on:
            events += self._blind(end_s, found)
            return Step(tuple(events))
        for frame in ranges:
            self._detector.process_ranges(frame)
        frames, scores = self._score(baseband, end_s)
        for score in scores:
            events += self._motion.process(score)
            events += self.presence.process(score, moving=self._motion.moving)
        return Step(tuple(events), tuple(frames), tuple(scores), tuple(ranges))

    def switch_emission(self, *, on: bool, t_s: float, cause: str) -> list[Event]:
        """Play or rest; at rest presence is unknown."""
        if on == self.emission.on:
            return []
        self.emission = replace(self.emission, on=on)
        self._carrier.reset()
        return [EmissionChanged(t_s, self.emission, cause)]

    def tune(self, *, false_alarms_per_day: float) -> None:
        """Accept so many false alarms from now on."""
        self._detector.tune(false_alarms_per_day=false_alarms_per_day)

    def give_up(self, *, t_s: float, cause: str) -> list[Event]:
        """The source is gone: what was going on ends, and presence is unknown."""
        return self._blind(t_s, [cause])

    def _listen_for_tone(self, baseband: BasebandBlock, now_s: float) -> bool:
        if baseband.iq.shape[2] == 0:
            return self._was_blind
        state = self._carrier.process(baseband)
        if state is CarrierState.UNSTEADY:
            self._settle(now_s)
        return state is CarrierState.MISSING

    def _score(self, baseband: BasebandBlock, now_s: float) -> tuple[list[DopplerFrame], list[Score]]:
        if self._was_blind:
            self._was_blind = False
            self._detector.reset()
            self._settle(now_s)
        if now_s < self._settled_s:
            return [], []
        moving_only = self._clutter.process(baseband, frozen=self._motion.moving)
        frames = self._doppler.process(moving_only, carrier_dbfs=self._carrier.level_dbfs)
        scores = [score for frame in frames if (score := self._detector.process(frame)) is not None]
        return frames, scores

    def _settle(self, now_s: float) -> None:
        """Nothing before this instant may meet anything behind it in one window."""
        self._settled_s = now_s + SETTLE_S
        self._clutter.reset()
        self._doppler.reset()

    def _blind(self, t_s: float, faults: list[str]) -> list[Event]:
        self._was_blind = True
        cause = " and ".join(faults) if faults else "emission off"
        return [*self._motion.stop(t_s=t_s, cause=cause), *self.presence.blind(t_s=t_s, cause=cause)]

    def _say_health(self, faults: tuple[str, ...], end_s: float, lost_frames: int) -> list[Event]:
        if faults == self._faults and not lost_frames:
            return []
        self._faults = faults
        failure = self._detector.failure
        cause = f"{lost_frames} frames lost" if lost_frames else "stream" if failure is None else str(failure)
        return [StreamHealth(end_s, faults, self.lost_frames, cause)]
