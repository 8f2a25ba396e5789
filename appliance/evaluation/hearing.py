"""A scene or a recording through the pipeline's own stages, and what was said of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from appliance.classify.model import ModelDetector
from appliance.config.schema import Config
from appliance.evaluation.scoring import Span
from appliance.events import Event, MotionStarted, MotionStopped, PresenceChanged
from appliance.features.doppler import Doppler
from appliance.hardware.wav import WavAudio
from appliance.pipeline import Pipeline, Step
from appliance.ports import Detector
from appliance.sensing import load_network
from appliance.simulation.ranges import RangeRoom
from appliance.types import BasebandBlock, Chirps, Emission, Presence, RangeFrame, Tones

MICS = 4
"""Of a simulated unit."""

_READ_S = 8.0

RANGE_LAG_S = 0.05
"""From a pulse to its last echo, as the service gets it."""

DETECTORS: dict[str, Callable[[Config], Callable[[Doppler], Detector] | None]] = {
    "threshold": lambda _config: None,
}
"""The detectors that can be judged by name, each as what `Pipeline` takes for `make_detector`."""


def _maker(detector: str, config: Config) -> Callable[[Doppler], Detector] | None:
    """What makes the detector: one of `DETECTORS`, or the model in the file of that path."""
    if detector in DETECTORS:
        return DETECTORS[detector](config)
    network = load_network(Path(detector))
    sensing = config.sensing
    return lambda doppler: ModelDetector(
        doppler=doppler, network=network, false_alarms_per_day=sensing.false_alarms_per_day, pets=sensing.pets
    )


@dataclass(slots=True)
class Heard:
    """What was said: events, each at the stream time at which it could be told, and every score."""

    events: list[tuple[float, Event]] = field(default_factory=list)
    t_s: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    end_s: float = 0.0

    def note(self, step: Step, end_s: float) -> None:
        """Add what a block brought."""
        self.end_s = end_s
        self.events += [(end_s, event) for event in step.events]
        for score in step.scores:
            self.t_s.append(score.t_s)
            self.scores.append(score.motion)

    def motions(self) -> list[Span]:
        """Motion as it was told."""
        found: list[Span] = []
        for said_s, event in self.events:
            if isinstance(event, MotionStarted):
                found.append((said_s, self.end_s))
            elif isinstance(event, MotionStopped):
                found[-1] = (found[-1][0], said_s)
        return found

    def times_of(self, presence: Presence) -> list[Span]:
        """When presence was told to be so."""
        found: list[Span] = []
        for said_s, event in self.events:
            if isinstance(event, PresenceChanged):
                if event.previous is presence and found:
                    found[-1] = (found[-1][0], said_s)
                if event.presence is presence:
                    found.append((said_s, self.end_s))
        return found


def make_pipeline(
    config: Config, *, detector: str, rate_hz: int, mics: int, carriers_hz: tuple[float, ...], chirps: Chirps | None
) -> Pipeline:
    """The pipeline at the configuration's operating point, with a detector: a name, or the path of a model.

    Raises:
        ModelError: the model cannot be used.
    """
    return Pipeline(
        rate_hz=rate_hz,
        mics=mics,
        emission=Emission(tones=Tones(carriers_hz, config.emission.level_db_spl), chirps=chirps),
        hold_s=config.sensing.hold_s,
        false_alarms_per_day=config.sensing.false_alarms_per_day,
        make_detector=_maker(detector, config),
    )


def hear_baseband(
    pipeline: Pipeline,
    blocks: Iterator[BasebandBlock],
    *,
    pcm_rate_hz: int,
    block_ms: int,
    ranges: Iterator[RangeFrame] = iter(()),  # noqa: B008  it is empty whoever uses it
) -> Heard:
    """Feed blocks of any length, cut into those that the service would get, and echoes of pulses as they would come."""
    heard, expected = Heard(), None
    coming = Coming(ranges)
    for block in blocks:
        frames = round(pcm_rate_hz / block.rate_hz)
        samples = pcm_rate_hz * block_ms // 1000 // frames
        for at in range(0, block.iq.shape[2], samples):
            piece = block.iq[..., at : at + samples]
            first = block.first_frame + at * frames
            part = BasebandBlock(np.ascontiguousarray(piece), first, block.rate_hz, block.carriers_hz)
            lost = 0 if expected is None else first - expected
            expected = first + piece.shape[2] * frames
            end_s = (expected - frames + 1) / pcm_rate_hz
            step = pipeline.sense(part, end_s=end_s, lost_frames=lost, ranges=coming.until(end_s - RANGE_LAG_S))
            heard.note(step, end_s)
    return heard


class Coming:
    """Range frames that wait for their time."""

    def __init__(self, frames: Iterator[RangeFrame]) -> None:
        self._frames = frames
        self._next = next(frames, None)

    def until(self, t_s: float) -> list[RangeFrame]:
        """All whose pulses left the tweeter before."""
        found = []
        while self._next is not None and self._next.t_s <= t_s:
            found.append(self._next)
            self._next = next(self._frames, None)
        return found


def frames_of(room: RangeRoom) -> Iterator[RangeFrame]:
    """Echoes of all pulses of a scene."""
    while (frames := room.read(_READ_S)) is not None:
        yield from frames


def hear_recording(pipeline: Pipeline, audio: WavAudio) -> Heard:
    """Feed a recording."""
    heard = Heard()
    while (block := audio.read()) is not None:
        heard.note(pipeline.process(block), block.end_s)
    return heard
