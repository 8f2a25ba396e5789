"""One case: made, heard by the pipeline, and scored against the truth. This is what runs on a core or in a cluster."""

import functools
import hashlib
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import appliance
from appliance.config.load import load_config
from appliance.config.schema import Config
from appliance.errors import ApplianceError, SourceError
from appliance.evaluation import scoring
from appliance.evaluation.cases import PETS, WARM_UP_S, Case
from appliance.evaluation.hearing import MICS, Heard, frames_of, hear_baseband, hear_recording, make_pipeline
from appliance.evaluation.scenes import gait_of, scene_of
from appliance.evaluation.scoring import Span
from appliance.hardware.wav import WavAudio
from appliance.simulation.baseband import PCM_RATE_HZ, BasebandRoom
from appliance.simulation.captures import Captures
from appliance.simulation.ranges import RangeRoom
from appliance.simulation.scenes import Scene
from appliance.simulation.sounds import SOUND_RATE_HZ, STRETCH_S
from appliance.simulation.truth import MINOR_MPS, truth
from appliance.types import BasebandBlock, MotionClass, Presence, Tones

THRESHOLDS = (*(0.5 * step for step in range(-8, 13)), 7.0, 8.0, 10.0, 12.0, 15.0, 18.0, 22.0, 26.0, 30.0, 34.0)
"""Log odds at which motion is taken to start, for the curves of recall against false alarms; 0 is as shipped."""

Outcome = dict[str, Any]

_READ_S = 8.0
_TRUTH_STEP_S = 0.025
_STRIDE_S = 0.5
"""A pet's way is looked at in steps so long: its tail wags, and it is not going anywhere."""

_JOIN_S, _SHORTEST_S = 1.0, 0.2
_LATE_EMPTY_S = 2.0
"""The room counts as empty this long behind the last one's way out: what he did may still be told."""

_REMODULATE = Path("tools") / "remodulate.py"
_GESTURES, BATS = Path("data") / "gestures_19k", Path("data") / "bats"
_SOURCES = (
    "cancel", "classify", "config", "dsp", "emission", "features", "presence", "simulation",
    "physics.py", "pipeline.py",
    *(f"evaluation/{name}.py" for name in ("cases", "hearing", "judge", "scenes", "scoring", "split")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged, and what with: the detector's name or its model's file, and folders that need not be there.

    `pets` judges it as it is set in homes with pets.
    """

    detector: str = "threshold"
    captures: Path | None = None
    recordings: Path | None = None
    pets: bool = False

    @property
    def config(self) -> Config:
        """The configuration that is judged: the shipped one, with pets or without."""
        shipped = load_config(None)
        sensing = shipped.sensing.model_copy(update={"pets": self.pets})
        return shipped.model_copy(update={"sensing": sensing})

    @property
    def identity(self) -> str:
        """Tells detectors apart: a model by its bytes and its manifest's."""
        path = Path(self.detector)
        pets = " with pets" if self.pets else ""
        if path.suffix != ".tflite":
            return self.detector + pets
        return hashlib.sha256(path.read_bytes() + path.with_suffix(".json").read_bytes()).hexdigest()[:16] + pets

    @property
    def gestures(self) -> list[str]:
        """The recordings of hands."""
        if self.recordings is None or not (self.recordings / _REMODULATE).is_file():
            return []
        return sorted(path.name for path in (self.recordings / _GESTURES).glob("*.flac"))

    @property
    def bats(self) -> Path | None:
        """The folder of recorded bats."""
        folder = None if self.recordings is None else self.recordings / BATS
        return folder if folder is not None and folder.is_dir() else None


class StaleWorker(ApplianceError):
    """A worker runs other code than the one who asks it."""


@functools.cache
def code_version(sources: tuple[str, ...] = _SOURCES) -> str:
    """A digest of the package's files and folders of these names: by default all code that a result depends on."""
    root = Path(appliance.__file__).parent
    digest = hashlib.sha256()
    for source in sources:
        found = [root / source] if source.endswith(".py") else sorted((root / source).rglob("*"))
        for path in found:
            if path.suffix in (".py", ".c", ".h", ".yaml"):
                digest.update(str(path.relative_to(root)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def judge(case: Case, subject: Subject, version: str) -> Outcome:
    """What became of a case, as plain values that JSON can hold.

    Raises:
        StaleWorker: this is not the code that was asked for.
        SourceError: a capture or recording is missing or damaged.
    """
    if version != code_version():
        raise StaleWorker(f"a worker runs code {code_version()}, wanted {version}: install the same version everywhere")
    config = subject.config
    return _gesture(case, subject, config) if case.section == "gestures" else _scene(case, subject, config)


def _scene(case: Case, subject: Subject, config: Config) -> Outcome:
    captures = _captures(subject.captures)
    cost = {"scene_s": 0.0}
    began_s = time.process_time()
    scene = scene_of(case, captures, bats=str(subject.bats) if subject.bats else None)
    tones = Tones(config.emission.carriers_hz, config.emission.level_db_spl)
    room = BasebandRoom(scene, tones=tones, mics=MICS)
    chirps = config.emission.wanted_chirps()
    pipeline = make_pipeline(
        config,
        detector=subject.detector,
        rate_hz=PCM_RATE_HZ,
        mics=MICS,
        carriers_hz=tones.carriers_hz,
        chirps=chirps,
    )

    def timed() -> Iterator[BasebandBlock]:
        while True:
            from_s = time.process_time()
            block = room.read(_READ_S)
            cost["scene_s"] += time.process_time() - from_s
            if block is None:
                return
            yield block

    ranges = iter(()) if chirps is None else frames_of(RangeRoom(scene, chirps=chirps, mics=MICS))
    heard = hear_baseband(pipeline, timed(), pcm_rate_hz=PCM_RATE_HZ, block_ms=config.audio.block_ms, ranges=ranges)
    cost["sense_s"] = time.process_time() - began_s - cost["scene_s"]
    began_s = time.process_time()
    outcome = _score(case, scene, heard, hold_s=config.sensing.hold_s)
    cost["score_s"] = time.process_time() - began_s
    gait = gait_of(case.person, captures) if scene.people and case.activity != "arm" else None
    return outcome | {"cost": cost, "gait": gait}


@functools.lru_cache(maxsize=2)
def _captures(folder: Path | None) -> Captures:
    return Captures((folder,) if folder else ())


def _score(case: Case, scene: Scene, heard: Heard, *, hold_s: float) -> Outcome:
    """Everything that is counted in a simulated scene."""
    from_s = WARM_UP_S if case.section in ("quiet", "stress", "sounds") else 5.0
    whole = [(from_s, heard.end_s)]
    inside, events, places = _truth(scene, heard.end_s) if scene.people else ([], [], [])
    events, places = _since(from_s, events, places)
    empty = _without(whole, [(start, end + _LATE_EMPTY_S) for start, end in inside])
    motions, occupied = heard.motions(), heard.times_of(Presence.OCCUPIED)
    outcome = _counted(case, heard, motions, events, empty)
    outcome["events"] = [event | place for event, place in zip(outcome["events"], places, strict=True)]
    keepable = _still_after(inside, events, hold_s) if case.activity in ("sit", "sleep") else []
    if case.nuisance in PETS and not scene.people:
        visits = [visit for visit in _visits(scene, heard.end_s) if visit[0] >= from_s]
        told = [any(start < end_s and end > start_s for start, end in motions) for start_s, end_s in visits]
        outcome |= {"pet_visits": len(visits), "pet_visits_told": sum(told)}
    if case.section == "sounds":
        outcome["sounds"] = _sounds(scene, from_s, heard.end_s)
    return outcome | {
        "false_occupied_s": scoring.overlap_s(occupied, empty),
        "occupied_s": scoring.overlap_s(inside, whole),
        "keepable_s": sum(end - start for start, end in keepable),
        "kept_s": scoring.overlap_s(occupied, keepable),
        "to_occupied_s": _to(heard, Presence.OCCUPIED, [start for start, _ in inside])
        if case.activity == "visit"
        else [],
        "to_vacant_s": _to(heard, Presence.VACANT, [end for _, end in inside]) if case.activity == "visit" else [],
    }


def _visits(scene: Scene, end_s: float) -> list[Span]:
    """Each time that the pet sets out until it rests."""
    (pet,) = (thing for thing in scene.things if thing.kind in PETS)
    t_s = np.arange(0.0, end_s, _STRIDE_S)
    middle_m = pet.reflectors(t_s).places.mean(axis=1)
    speed_mps = np.linalg.norm(np.diff(middle_m[:, :2], axis=0), axis=1) / _STRIDE_S
    return scoring.spans(t_s[1:], speed_mps > MINOR_MPS, join_s=0.0, shortest_s=_SHORTEST_S)


def _sounds(scene: Scene, from_s: float, end_s: float) -> int:
    """How many bursts of sound begin in that time."""
    place = np.array([scene.device_m])
    stretches = range(math.ceil(end_s / STRETCH_S))
    bursts = [burst for sound in scene.sounds for stretch in stretches for burst in sound.bursts(stretch, place)]
    return sum(from_s <= burst.first_frame / SOUND_RATE_HZ < end_s for burst in bursts)


def _counted(case: Case, heard: Heard, motions: list[Span], events: list[Span], empty: list[Span]) -> Outcome:
    """False alarms and events found: at the operating point, and at every threshold of the curves."""
    alone = case.nuisance == "quiet"
    t_s, scores = np.array(heard.t_s), np.array(heard.scores)
    swept = [scoring.motions_at(t_s, scores, threshold=threshold, end_s=heard.end_s) for threshold in THRESHOLDS]
    found = scoring.find(motions, events, alone=alone)
    found_swept = [scoring.find(each, events, alone=alone) for each in swept]
    return {
        "case": asdict(case),
        "basis": case.basis,
        "simulated_s": heard.end_s,
        "empty_s": sum(end - start for start, end in empty),
        "false_alarms": scoring.false_alarms(motions, empty),
        "false_moving_s": scoring.overlap_s(motions, empty),
        "events": [
            {
                "onset_s": event[0],
                "duration_s": event[1] - event[0],
                "latency_s": _finite(one.latency_s),
                "masked": one.masked,
            }
            for event, one in zip(events, found, strict=True)
        ],
        "swept_false_alarms": [scoring.false_alarms(each, empty) for each in swept],
        "swept_found": [sum(one.latency_s < scoring.MISS_S for one in each) for each in found_swept],
    }


def _finite(latency_s: float) -> float | None:
    return None if latency_s == scoring.MISS_S else latency_s


def _truth(scene: Scene, end_s: float) -> tuple[list[Span], list[Span], list[Outcome]]:
    """When somebody is inside, when people move, and how far away and how fast each time."""
    labels = truth(scene, np.arange(0.0, end_s, _TRUTH_STEP_S))
    moves = np.isin(labels.motion, [MotionClass.MAJOR, MotionClass.MINOR])
    events = scoring.spans(labels.t_s, moves, join_s=_JOIN_S, shortest_s=_SHORTEST_S)
    places = []
    for start, end in events:
        during = (labels.t_s >= start) & (labels.t_s <= end)
        radial = np.abs(labels.radial_mps[during])
        places.append({
            "distance_m": round(float(np.nanmedian(labels.distance_m[during])), 3),
            "radial_mps": round(float(np.nanmedian(radial)), 3),
            "kind": "major" if (labels.motion[during] == MotionClass.MAJOR).any() else "minor",
        })  # fmt: skip
    return scoring.spans(labels.t_s, labels.occupied), events, places


def _since(from_s: float, events: list[Span], places: list[Outcome]) -> tuple[list[Span], list[Outcome]]:
    counted = [number for number, event in enumerate(events) if event[0] >= from_s]
    return [events[number] for number in counted], [places[number] for number in counted]


def _without(whole: list[Span], taken: list[Span]) -> list[Span]:
    """What is left of one span when others, in order, are taken away."""
    start, end = whole[0]
    left = []
    for taken_start, taken_end in taken:
        if taken_start > start:
            left.append((start, min(taken_start, end)))
        start = max(start, taken_end)
    return [*left, (start, end)] if start < end else left


def _still_after(inside: list[Span], events: list[Span], hold_s: float) -> list[Span]:
    """The time that somebody is there and the way in no longer counts: presence has to be kept by what is seen then."""
    since_s = next((end for start, end in events if end - start > 0.5), None)
    if since_s is None or not inside:
        return []
    return [(since_s + hold_s, inside[-1][1])] if inside[-1][1] > since_s + hold_s else []


def _to(heard: Heard, presence: Presence, since_s: list[float]) -> list[float | None]:
    """How long after each instant presence was told so; None where it never was."""
    told = heard.times_of(presence)
    return [next((max(0.0, start - since) for start, end in told if end > since), None) for since in since_s]


def _gesture(case: Case, subject: Subject, config: Config) -> Outcome:
    """A recorded hand, moved to where this device listens by the tool beside the recordings."""
    assert subject.recordings is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moved.wav"
        command = [
            sys.executable,
            str(subject.recordings / _REMODULATE),
            str(subject.recordings / _GESTURES / case.source),
        ]
        done = subprocess.run(
            [*command, str(path), "--stretch", str(case.stretch)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SourceError(f"{case.source}: {done.stderr.strip().splitlines()[-1:]}")
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        began_s = time.process_time()
        audio = WavAudio(path)
        try:
            pipeline = make_pipeline(
                config,
                detector=subject.detector,
                rate_hz=audio.rate_hz,
                mics=audio.mics,
                carriers_hz=audio.carriers_hz,
                chirps=None,
            )
            heard = hear_recording(pipeline, audio)
        finally:
            audio.close()
    events = [(float(about["motion_start_s"]), float(about["motion_end_s"]))]
    empty = [(0.0, events[0][0]), (events[0][1] + scoring.LATE_S, heard.end_s)]
    outcome = _counted(case, heard, heard.motions(), events, empty)
    outcome["events"][0]["kind"] = "minor"
    cost = {"scene_s": 0.0, "sense_s": time.process_time() - began_s, "score_s": 0.0}
    return outcome | {"cost": cost, "gait": case.source.split("-")[1]}
