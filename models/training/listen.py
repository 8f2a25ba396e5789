"""A clip through the very pipeline of the service: what the model would have seen at each hop, and what was true."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.evaluation.hearing import RANGE_LAG_S, Coming, frames_of, hear_baseband
from appliance.features.doppler import HOP_SAMPLES, WINDOW_SAMPLES, Doppler
from appliance.features.echoes import RangeEvidence
from appliance.features.evidence import FEATURES, Evidence, add_echoes
from appliance.pipeline import Pipeline
from appliance.simulation.baseband import PCM_RATE_HZ, BasebandRoom
from appliance.simulation.ranges import RangeRoom
from appliance.simulation.truth import truth
from appliance.types import DopplerFrame, Emission, MotionClass, RangeFrame, Score, Tones
from models.training.clips import Clip

CLASSES = (
    MotionClass.NOTHING,
    MotionClass.MAJOR,
    MotionClass.MINOR,
    MotionClass.BREATHING,
    MotionClass.NUISANCE,
)  # fmt: skip
"""In the order of the network's outputs."""

UNLABELLED = -1
"""The label of a hop of which nobody knows what happened; it teaches nothing."""

LABEL_LAG_S = 0.06
"""A frame tells of the middle of its window: half of 107 ms, and the filters' 9 ms, before its end."""

_READ_S = 8.0
_BLOCK_MS = 10
_TRUTH_STEP_S = 0.02
_BASEBAND_HZ = 2_400.0
_WINDOW_S, _HOP_S = WINDOW_SAMPLES / _BASEBAND_HZ, HOP_SAMPLES / _BASEBAND_HZ


@dataclass(frozen=True, slots=True)
class Heard:
    """What a clip gave, one row a hop.

    `values` [hops, FEATURES] float32; `label` [hops] index into `CLASSES`; `radial_mps` and `distance_m` [hops], NaN
    while nobody is inside; `settled` [hops]: whether the floor was known.
    """

    t_s: NDArray[np.float32]
    values: NDArray[np.float32]
    settled: NDArray[np.bool_]
    label: NDArray[np.int8]
    radial_mps: NDArray[np.float32]
    distance_m: NDArray[np.float32]


class Recorder:
    """A detector that keeps what it sees, and answers with what is known already.

    Args:
        doppler: the stage whose frames it gets.
        motion_at: the probability of motion to answer at a stream time in s.
        source: whose answer that is.
    """

    failure = None

    def __init__(self, doppler: Doppler, motion_at: Callable[[float], float], *, source: str) -> None:
        self._evidence = Evidence(doppler=doppler)
        self._motion_at = motion_at
        self._source = source
        self.t_s: list[float] = []
        self.values: list[NDArray[np.float32]] = []
        self.settled: list[bool] = []

    def process(self, frame: DopplerFrame) -> Score | None:
        """What is known of that moment; None while there is no evidence to keep beside it."""
        values = self._evidence.process(frame)
        if values is None:
            return None
        self.t_s.append(frame.t_s)
        self.values.append(values)
        self.settled.append(self._evidence.is_settled)
        return Score({MotionClass.MAJOR: self._motion_at(frame.t_s)}, None, frame.t_s, self._source)

    def process_ranges(self, frame: RangeFrame) -> None:
        """Hear the echoes of a pulse."""
        self._evidence.process_ranges(frame)

    def tune(self, *, false_alarms_per_day: float) -> None:
        """What is known already knows no threshold."""

    def reset(self) -> None:
        """Forget the room; what was kept stays."""
        self._evidence.reset()


def listen(clip: Clip) -> Heard:
    """Everything that the model would have seen of a clip."""
    around = truth(clip.scene, np.arange(0.0, clip.scene.duration_s, _TRUTH_STEP_S))
    moves = np.isin(around.motion, [MotionClass.MAJOR, MotionClass.MINOR])
    pulses = iter(()) if clip.chirps is None else frames_of(RangeRoom(clip.scene, chirps=clip.chirps, mics=clip.mics))
    if clip.tones is None:
        t_s, values, settled = _hear_chirps(pulses, clip.scene.duration_s)
    else:
        t_s, values, settled = _hear_tones(clip, clip.tones, pulses, moves if clip.believes else np.zeros_like(moves))
    at = np.clip(np.rint((t_s - LABEL_LAG_S) / _TRUTH_STEP_S).astype(int), 0, len(moves) - 1)
    number_of = {motion: number for number, motion in enumerate(CLASSES)}
    return Heard(
        t_s=t_s.astype(np.float32),
        values=values.astype(np.float32).reshape(len(t_s), FEATURES),
        settled=settled,
        label=np.array([number_of[motion] for motion in around.motion[at]], np.int8),
        radial_mps=around.radial_mps[at].astype(np.float32),
        distance_m=around.distance_m[at].astype(np.float32),
    )


_Hops = tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.bool_]]
"""Times, values and whether they were settled, one row a hop."""


def _hear_tones(clip: Clip, tones: Tones, pulses: Iterator[RangeFrame], believed: NDArray[np.bool_]) -> _Hops:
    """Through the pipeline, whose detector believes what it is told of each 20 ms."""
    recorders: list[Recorder] = []

    def motion_at(t_s: float) -> float:
        at = min(max(round((t_s - LABEL_LAG_S) / _TRUTH_STEP_S), 0), len(believed) - 1)
        return float(believed[at])

    def make(doppler: Doppler) -> Recorder:
        recorders.append(Recorder(doppler, motion_at, source="truth"))
        return recorders[0]

    pipeline = Pipeline(
        rate_hz=PCM_RATE_HZ,
        mics=clip.mics,
        emission=Emission(tones=tones),
        hold_s=120.0,
        false_alarms_per_day=1.0,
        make_detector=make,
    )
    room = BasebandRoom(clip.scene, tones=tones, mics=clip.mics)
    blocks = iter(lambda: room.read(_READ_S), None)
    hear_baseband(pipeline, blocks, pcm_rate_hz=PCM_RATE_HZ, block_ms=_BLOCK_MS, ranges=pulses)
    (recorder,) = recorders
    return np.array(recorder.t_s), np.array(recorder.values, np.float32), np.array(recorder.settled, bool)


def _hear_chirps(pulses: Iterator[RangeFrame], duration_s: float) -> _Hops:
    """Chirps alone, which the pipeline does not take: their part of the evidence, at hops of the same length."""
    echoes, coming = RangeEvidence(), Coming(pulses)
    t_s = np.arange(_WINDOW_S, duration_s, _HOP_S)
    values = np.zeros((len(t_s), FEATURES), np.float32)
    for row, hop_s in zip(values, t_s.tolist(), strict=True):
        for frame in coming.until(hop_s - RANGE_LAG_S):
            echoes.process(frame)
        add_echoes(row, echoes, hop_s)
    return t_s, values, values[:, -1] > 0.0
