"""What is listened to for training: random scenes, each decided by one seed of a set that judges nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from appliance.evaluation.split import TRAINING, VALIDATION, Share
from appliance.simulation.captures import Captures
from appliance.simulation.sample import ACTIVITIES, NUISANCES, sample_words
from appliance.simulation.scene_file import build
from appliance.simulation.scenes import Scene
from appliance.simulation.words import SceneWords
from appliance.types import Chirps, Tones

SHARES: dict[str, Share] = {"training": TRAINING, "validation": VALIDATION}

CORPORA = ("mixed", "seed", "tail", "empty", "pool", "still")
"""mixed: everything; seed: quiet rooms and people alone; tail: what a seed model never saw; empty: nobody there; pool:
homes as they are, in which what the seed set never holds is rare; still: empty rooms with nothing but one of
`STILL_THINGS` or not even that, in long clips, as thresholds are counted in.
"""

STILL_THINGS = ("hvac", "fan", "ceiling_fan")
"""What sounds alike for hours in many a home."""

_CLIP_S, _STILL_CLIP_S = 60.0, 600.0

RARITY = 0.04
"""Of the pool's clips, how many hold one of `RARE_KINDS`, each as often: 0.2 % of all time, or three minutes a day."""

_ACTIVE = ("walk", "run", "crawl")
_GESTURES = tuple(name for name in ACTIVITIES if name not in _ACTIVE)
_THINGS = tuple(name for name in NUISANCES if name != "wd7_arm")
_FREQUENT = {
    "fan": 3.0,
    "oscillating_fan": 3.0,
    "switched_fan": 3.0,
    "curtain": 4.0,
    "hvac": 2.0,
    "cat": 2.0,
    "dog": 2.0,
}
_SEED_THINGS = ("hvac", "plant", "door")
_FAULTS = ("music", "lost_frames")

RARE_KINDS = (*(name for name in _THINGS if name not in _SEED_THINGS), *_FAULTS)
"""What the corpus `seed` never holds."""

_PEOPLE_SHARE = {"empty": 0.0, "tail": 0.6, "pool": 0.3}
_MICS, _MICS_SHARE = (1, 2, 4, 8), (0.1, 0.2, 0.62, 0.08)
_CARRIERS_SHARE = (0.7, 0.14, 0.08, 0.08)

EMISSIONS = ("tones", "both", "chirps")
"""What the tweeter plays. Tones and chirps share its level: the amplitudes of both together are those of one alone."""

_HALF_DB = 20.0 * math.log10(2.0)
_SWEEP_HZ = (36_500.0, 45_500.0)
_PULSE_S, _FADE_S, _PULSES_HZ = 0.04, 0.002, 25.0
_BESIDE_CHIRPS_HZ = (33_000.0, 34_400.0)
"""Where a tone stands that has chirps beside it."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One scene as one unit hears it.

    `kinds` names what is in it. `believes` is whether the clutter canceller is told of people's motion, as by a
    detector that is right, or never, as by one that misses everything. `tones` or `chirps` may be None, not both.
    """

    number: int
    seed: int
    scene: Scene
    tones: Tones | None
    chirps: Chirps | None
    mics: int
    kinds: tuple[str, ...]
    believes: bool


def clip_s(corpus: str) -> float:
    """Duration of a corpus's clips."""
    return _STILL_CLIP_S if corpus == "still" else _CLIP_S


def clip_of(share: str, corpus: str, number: int, captures: Captures, *, emission: str = "tones") -> Clip:
    """The clip of that number.

    Args:
        share: one of `SHARES`; seeds and people are its own.
        corpus: one of `CORPORA`.
        number: 0 or more.
        captures: where gaits come from.
        emission: one of `EMISSIONS`; scene, unit and loudness are alike with each.

    Raises:
        ValueError: the share has no such seed, or the corpus or the emission is unknown.
    """
    if corpus not in CORPORA:
        raise ValueError(f"corpus: wanted one of {', '.join(CORPORA)}, got {corpus}")
    if emission not in EMISSIONS:
        raise ValueError(f"emission: wanted one of {', '.join(EMISSIONS)}, got {emission}")
    own = SHARES[share]
    seed = own.seed(number)
    random = np.random.default_rng([seed, 71, CORPORA.index(corpus)])
    people, things = _cast(random, corpus)
    gaits = tuple(name for name in own.gaits(captures.names) if name not in ("crawl", "01_09"))
    nuisances = [name for name in things if name not in _FAULTS]
    words = sample_words(seed, duration_s=clip_s(corpus), people=people, nuisances=nuisances, gaits=gaits)
    _keep_walking(words, people, random)
    faults = [name for name in things if name in _FAULTS] or _faults(random, corpus)
    _add_faults(words, random, faults)
    scene = build(SceneWords.model_validate(words), captures)
    arms = tuple(thing for thing in scene.things if thing.kind == "wd7_arm")
    scene = replace(scene, people=scene.people + arms, things=tuple(t for t in scene.things if t not in arms))
    kinds = (*people, *nuisances, *faults)
    played, mics, believes = _tones(random), int(random.choice(_MICS, p=_MICS_SHARE)), bool(random.random() < 0.7)
    tones, chirps = _played(played, emission, random)
    return Clip(
        number=number,
        seed=seed,
        scene=scene,
        tones=tones,
        chirps=chirps,
        mics=mics,
        kinds=kinds,
        believes=believes,
    )


def _cast(random: np.random.Generator, corpus: str) -> tuple[list[str], list[str]]:
    """Who and what is in a scene."""
    if corpus == "still":
        return [], [str(random.choice(STILL_THINGS))] if random.random() < 0.6 else []
    plain = corpus in ("seed", "pool")
    things: Sequence[str] = _SEED_THINGS if plain else _THINGS
    people: list[str] = []
    if corpus != "empty" and random.random() < _PEOPLE_SHARE.get(corpus, 0.55):
        people = [_activity(random) for _ in range(1 if random.random() < 0.85 else 2)]
    weight = np.array([_FREQUENT.get(name, 1.0) for name in things])
    few = (0.7, 0.3, 0.0) if plain else (0.0, 0.75, 0.25) if corpus == "tail" else (0.4, 0.42, 0.18)
    count = int(random.choice(3, p=few))
    found = [str(name) for name in random.choice(things, size=count, replace=False, p=weight / weight.sum())]
    if corpus != "empty" and random.random() < 0.12:
        found.append("wd7_arm")
    if corpus == "pool" and random.random() < RARITY:
        found.append(str(random.choice(RARE_KINDS)))
    return people, found


def _activity(random: np.random.Generator) -> str:
    if random.random() < 0.5:
        return "walk"
    return str(random.choice(_GESTURES if random.random() < 0.85 else _ACTIVE[1:]))


def _keep_walking(words: dict[str, object], people: Sequence[str], random: np.random.Generator) -> None:
    """Those who walk do so again and again, with pauses and at any speed: one way through the room is over in 3 s."""
    room, everybody = words["room"], words["people"]
    assert isinstance(room, dict)
    assert isinstance(everybody, list)
    length, width, _ = room["size_m"]
    for kind, person in zip(people, everybody, strict=True):
        if kind != "walk":
            continue
        _, way, last = person["do"]
        acts: list[dict[str, object]] = [{"act": "stay", "for_s": round(float(random.uniform(2.5, 15.0)), 2)}]
        at = person["at_m"]
        for _ in range(12):
            to = at
            while math.dist(at, to) < 0.8:
                to = [round(random.uniform(0.7, length - 0.35), 2), round(random.uniform(0.35, width - 0.35), 2)]
            speed_mps = round(float(np.clip(random.lognormal(0.0, 0.45), 0.3, 2.0)), 2)
            acts.append(way | {"to_m": [to], "speed_mps": speed_mps, "times": 1})
            acts.append({"act": "stay", "for_s": round(float(random.uniform(1.0, 7.0)), 2)})
            at = to
        person["do"] = [*acts, last]


def _faults(random: np.random.Generator, corpus: str) -> list[str]:
    """What is wrong with the sound of a scene."""
    if corpus in ("seed", "pool", "still"):
        return []
    return [name for name, share in zip(_FAULTS, (0.08, 0.06), strict=True) if random.random() < share]


def _add_faults(words: dict[str, object], random: np.random.Generator, faults: Sequence[str]) -> None:
    """Music from the same box, and frames that are lost."""
    if "music" in faults:
        words["music"] = {"level": float(random.choice([0.1, 0.3, 1.0])), "seed": int(random.integers(1 << 30))}
    if "lost_frames" in faults:
        device = words["device"]
        assert isinstance(device, dict)
        starts_s = np.sort(random.uniform(3.0, _CLIP_S - 1.0, random.integers(1, 8)))
        device["gaps"] = [
            {"start_s": round(float(start_s), 3), "lost_ms": round(random.uniform(1.0, 50.0), 2)}
            for start_s in starts_s
        ]


def _tones(random: np.random.Generator) -> Tones:
    """Carriers at least 2.5 kHz apart, as the configuration wants them."""
    count = 1 + int(random.choice(4, p=_CARRIERS_SHARE))
    spare_hz = 48_000.0 - 33_000.0 - 2_500.0 * (count - 1)
    offsets_hz = np.sort(random.uniform(0.0, spare_hz, count)) + 2_500.0 * np.arange(count)
    return Tones(
        tuple(float(round(33_000.0 + each)) for each in offsets_hz), round(float(random.uniform(65.0, 80.0)), 1)
    )


def _played(tones: Tones, emission: str, random: np.random.Generator) -> tuple[Tones | None, Chirps | None]:
    """What is played where tones alone would be those."""
    if emission == "tones":
        return tones, None
    level_db_spl = tones.level_db_spl - (_HALF_DB if emission == "both" else 0.0)
    chirps = Chirps(*_SWEEP_HZ, _PULSE_S, _FADE_S, _PULSES_HZ, level_db_spl)
    if emission == "chirps":
        return None, chirps
    return Tones((float(round(random.uniform(*_BESIDE_CHIRPS_HZ))),), level_db_spl), chirps
