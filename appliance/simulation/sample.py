"""Scenes at random: room, air, unit, people and nuisances, all from one seed and in the words of a scene's file."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from appliance.errors import SourceError
from appliance.fields import did_you_mean
from appliance.simulation.captures import Captures
from appliance.simulation.scene_file import build, impossible
from appliance.simulation.scenes import Scene
from appliance.simulation.words import SceneWords

Words = dict[str, object]
_Draw = np.random.Generator
_Size = tuple[float, float, float]

_GAITS = {"walk": ("walk",), "run": ("run",), "crawl": ("crawl",)}
_POSTURES = {"sit": "sit", "stand": "stand", "idle": "stand", "sleep": "lie", "breathe": "sit"}
_GESTURING = ("reach", "wave", "drink", "turn_pages", "type", "fidget")


def sample_words(
    seed: int,
    *,
    duration_s: float = 60.0,
    people: Sequence[str] = (),
    nuisances: Sequence[str] = (),
    gaits: Sequence[str] | None = None,
) -> Words:
    """The words of a random scene, which `SceneWords` validates and a YAML file could hold.

    Args:
        seed: decides everything.
        duration_s: of the scene.
        people: what each person does, of `ACTIVITIES`.
        nuisances: what else there is, of `NUISANCES`.
        gaits: captures to walk with instead of `walk`: a set of people that is judged has some of its own.

    Raises:
        SourceError: an unknown activity or nuisance.
    """
    random = np.random.default_rng([seed, 91])
    size: _Size = (
        round(random.uniform(2.8, 7.0), 2),
        round(random.uniform(2.4, 5.5), 2),
        round(random.uniform(2.3, 3.0), 2),
    )
    device = (0.06, round(random.uniform(0.3, 0.7) * size[1], 2), round(random.uniform(0.8, 1.9), 2))
    air: Words = {
        "temperature_c": round(random.uniform(12.0, 30.0), 1),
        "relative_humidity_percent": round(random.uniform(20.0, 75.0), 1),
        "turbulence_rad": round(float(np.exp(random.uniform(math.log(0.02), math.log(0.15)))), 4),
        "turbulence_corner_hz": round(random.uniform(0.7, 3.0), 2),
        "drift_c_per_hour": round(random.normal(0.0, 1.0), 2),
        "heating_swing_c": round(random.uniform(0.0, 0.3), 3),
    }
    found: Words = {
        "name": f"sample {seed}",
        "duration_s": float(duration_s),
        "seed": seed,
        "room": {
            "size_m": list(size),
            "wall_reflection_db": round(random.uniform(-14.0, -5.0), 1),
            "t60_s": round(random.uniform(0.08, 0.2), 3),
        },
        "device": {"at_m": list(device), "unit": "random", "unit_seed": int(random.integers(1 << 30))},
        "air": air,
        "people": [_person(random, kind, size, duration_s, gaits) for kind in people],
    }
    things: list[Words] = []
    sounds: list[Words] = []
    for kind in nuisances:
        if kind not in NUISANCES:
            raise SourceError(
                f"no nuisance is called {kind}{did_you_mean(kind, NUISANCES)}; known: {', '.join(NUISANCES)}"
            )
        drawn = NUISANCES[kind](random, size, duration_s)
        if kind == "hvac":
            air.update(drawn)
        else:
            (sounds if "sound" in drawn else things).append(drawn)
    found["things"], found["sounds"] = things, sounds
    return found


def sample_scene(
    seed: int,
    *,
    duration_s: float = 60.0,
    people: Sequence[str] = (),
    nuisances: Sequence[str] = (),
    captures: Captures | None = None,
    gaits: Sequence[str] | None = None,
) -> Scene:
    """The scene of `sample_words`, whose arguments these are; gaits come from `captures`, pybullet's by default."""
    captures = captures or Captures()
    drawn = sample_words(seed, duration_s=duration_s, people=people, nuisances=nuisances, gaits=gaits)
    found = SceneWords.model_validate(drawn)
    for place, message in impossible(found, captures):
        raise SourceError(f"{found.name}: {'.'.join(map(str, place))} {message}")
    return build(found, captures)


def _spot(random: _Draw, size: _Size, *, margin_m: float = 0.35) -> list[float]:
    return [
        round(random.uniform(max(margin_m, 0.7), size[0] - margin_m), 2),
        round(random.uniform(margin_m, size[1] - margin_m), 2),
    ]


def _place(random: _Draw, size: _Size, low_m: float, high_m: float) -> list[float]:
    return [*_spot(random, size), round(random.uniform(low_m, min(high_m, size[2] - 0.1)), 2)]


def _person(random: _Draw, kind: str, size: _Size, duration_s: float, gaits: Sequence[str] | None) -> Words:
    if kind not in ACTIVITIES:
        raise SourceError(
            f"no activity is called {kind}{did_you_mean(kind, ACTIVITIES)}; known: {', '.join(ACTIVITIES)}"
        )
    child = random.random() < 0.15
    at = _spot(random, size)
    about: Words = {
        "at_m": at,
        "facing_deg": round(random.uniform(-180.0, 180.0), 1),
        "height_m": round(random.uniform(1.0, 1.45) if child else random.normal(1.71, 0.09), 2),
        "clothes_db": round(random.uniform(-9.0, 0.0), 1),
        "breath_hz": round(random.uniform(0.28, 0.45) if child else random.uniform(0.17, 0.33), 3),
        "breath_mm": round(random.uniform(4.0, 8.0), 2),
        "seed": int(random.integers(1 << 30)),
    }
    mirror = bool(random.random() < 0.5)
    if kind in _GAITS:
        gait = str(random.choice(list(gaits or _GAITS[kind]))) if kind == "walk" else _GAITS[kind][0]
        speed_mps = {
            "walk": random.uniform(0.5, 1.7),
            "run": random.uniform(2.0, 3.2),
            "crawl": random.uniform(0.2, 0.5),
        }
        to = _spot(random, size)
        while math.dist(at, to) < 1.0:
            to = _spot(random, size)
        start_s = round(random.uniform(0.15, 0.4) * duration_s, 2)
        waits: Words = {"act": "stay", "for_s": start_s}
        goes: Words = {
            "act": "go", "gait": gait, "to_m": [to], "speed_mps": round(speed_mps[kind], 2), "mirror": mirror,
            "times": int(random.integers(1, 4)),
        }  # fmt: skip
        about["do"] = [waits, goes, {"act": "stay", "for_s": duration_s}]
    elif kind in _GESTURING:
        posture = "stand" if random.random() < 0.3 else "sit"
        about["do"] = [
            {
                "act": "stay",
                "for_s": duration_s,
                "posture": posture,
                "gestures": [kind],
                "speed": round(random.uniform(0.7, 1.4), 2),
            }
        ]
    elif kind in ("sit_down", "stand_up"):
        first, then = ("stand", "sit") if kind == "sit_down" else ("sit", "stand")
        half_s = round(random.uniform(0.3, 0.7) * duration_s, 2)
        about["do"] = [
            {"act": "stay", "for_s": half_s, "posture": first}, {"act": "stay", "for_s": duration_s, "posture": then},
        ]  # fmt: skip
    else:
        gestures = {"idle": ["fidget"], "sleep": ["turn_over"]}.get(kind, [])
        about["do"] = [{"act": "stay", "for_s": duration_s, "posture": _POSTURES[kind], "gestures": gestures}]
    return about


ACTIVITIES = (*_GAITS, *_GESTURING, *_POSTURES, "sit_down", "stand_up")


def _fan(random: _Draw, size: _Size, duration_s: float) -> Words:
    del duration_s
    return {
        "thing": "fan", "at_m": _place(random, size, 0.5, 1.2), "radius_m": round(random.uniform(0.12, 0.22), 3),
        "turns_hz": round(random.uniform(11.0, 24.0), 2), "blades": int(random.integers(3, 6)),
        "axis_deg": [round(random.uniform(120.0, 240.0), 1), round(random.uniform(-10.0, 10.0), 1)],
        "strength_db": round(random.uniform(-28.0, -18.0), 1),
    }  # fmt: skip


def _oscillating(random: _Draw, size: _Size, duration_s: float) -> Words:
    return _fan(random, size, duration_s) | {"oscillation_s": round(random.uniform(5.0, 20.0), 2)}


def _switched_fan(random: _Draw, size: _Size, duration_s: float) -> Words:
    on_s, off_s = sorted(round(random.uniform(0.1, 0.9) * duration_s, 2) for _ in range(2))
    return _fan(random, size, duration_s) | {"on_s": on_s, "off_s": off_s}


def _ceiling_fan(random: _Draw, size: _Size, duration_s: float) -> Words:
    del duration_s
    return {
        "thing": "fan", "at_m": [*_spot(random, size, margin_m=0.7), round(size[2] - 0.35, 2)],
        "axis_deg": [0.0, -90.0],
        "radius_m": round(random.uniform(0.45, 0.65), 3), "turns_hz": round(random.uniform(0.8, 4.5), 2),
        "blades": int(random.integers(3, 6)), "strength_db": round(random.uniform(-22.0, -14.0), 1),
    }  # fmt: skip


def _swaying(
    kind: str, reach_m: tuple[float, float], sway_hz: tuple[float, float]
) -> Callable[[_Draw, _Size, float], Words]:
    def draw(random: _Draw, size: _Size, duration_s: float) -> Words:
        del duration_s
        low_db, high_db = (-25.0, -8.0) if kind == "curtain" else (-28.0, -14.0)
        return {
            "thing": kind,
            "at_m": [round(random.uniform(0.5, 0.98) * size[0], 2), round(random.uniform(0.2, 0.8) * size[1], 2), 1.2],
            "reach_m": round(random.uniform(*reach_m), 4), "sway_hz": round(random.uniform(*sway_hz), 3),
            "strength_db": round(random.uniform(low_db, high_db), 1), "gust_s": round(random.uniform(3.0, 20.0), 1),
            "along_x": bool(random.random() < 0.4), "seed": int(random.integers(1 << 30)),
        }  # fmt: skip

    return draw


def _pet(kind: str) -> Callable[[_Draw, _Size, float], Words]:
    def draw(random: _Draw, size: _Size, duration_s: float) -> Words:
        dog = kind == "dog"
        return {
            "thing": kind, "path_m": [_spot(random, size), _spot(random, size), _spot(random, size)],
            "height_m": round(random.uniform(0.3, 0.7) if dog else random.uniform(0.22, 0.3), 2),
            "speed_mps": round(random.uniform(0.4, 1.8) if dog else random.uniform(0.3, 1.2), 2),
            "rest_s": round(random.uniform(1.0, 15.0), 1), "trots": bool(random.random() < 0.4),
            "strength_db": round(random.uniform(-25.0, -15.0) if dog else random.uniform(-35.0, -25.0), 1),
            "start_s": round(random.uniform(0.0, 0.3) * duration_s, 2),
        }  # fmt: skip

    return draw


def _vacuum(random: _Draw, size: _Size, duration_s: float) -> Words:
    del duration_s
    return {"thing": "vacuum", "path_m": [_spot(random, size), _spot(random, size), _spot(random, size)],
            "speed_mps": round(random.uniform(0.2, 0.4), 2)}  # fmt: skip


def _door(random: _Draw, size: _Size, duration_s: float) -> Words:
    opens_s, closes_s = sorted(round(random.uniform(0.1, 0.9) * duration_s, 2) for _ in range(2))
    hinge = [size[0], round(random.uniform(0.2, 0.6) * size[1], 2)]
    return {"thing": "door", "hinge_m": hinge, "opens_s": opens_s, "closes_s": closes_s}


def _falling(random: _Draw, size: _Size, duration_s: float) -> Words:
    at_s = round(random.uniform(0.1, 0.9) * duration_s, 2)
    return {"thing": "falling", "at_m": _place(random, size, 0.5, 1.8), "at_s": at_s,
            "strength_db": round(random.uniform(-35.0, -20.0), 1)}  # fmt: skip


def _arm(random: _Draw, size: _Size, duration_s: float) -> Words:
    start_s = round(random.uniform(0.1, 0.4) * duration_s, 2)
    return {"thing": "wd7_arm", "at_m": _spot(random, size, margin_m=0.5), "start_s": start_s,
            "from_deg": round(random.uniform(0.0, 360.0), 1),
            "strength_db": round(random.uniform(-30.0, -24.0), 1)}  # fmt: skip


def _sounding(kind: str) -> Callable[[_Draw, _Size, float], Words]:
    def draw(random: _Draw, size: _Size, duration_s: float) -> Words:
        del duration_s
        return {"sound": kind, "at_m": _place(random, size, 0.3, 2.0), "seed": int(random.integers(1 << 30))}

    return draw


def _other_unit(random: _Draw, size: _Size, duration_s: float) -> Words:
    del duration_s
    offset_hz = random.choice([-1.0, 1.0]) * random.uniform(1.0, 800.0)
    return {"sound": "tone", "at_m": _place(random, size, 0.5, 2.0), "frequency_hz": round(40_000.0 + offset_hz, 2),
            "level_db_spl": round(random.uniform(40.0, 75.0), 1)}  # fmt: skip


def _hvac(random: _Draw, size: _Size, duration_s: float) -> Words:
    del size, duration_s
    return {
        "turbulence_rad": round(random.uniform(0.15, 0.5), 3),
        "turbulence_corner_hz": round(random.uniform(3.0, 8.0), 2),
    }


NUISANCES: dict[str, Callable[[_Draw, _Size, float], Words]] = {
    "fan": _fan, "oscillating_fan": _oscillating, "switched_fan": _switched_fan, "ceiling_fan": _ceiling_fan,
    "hvac": _hvac,
    "curtain": _swaying("curtain", (0.01, 0.12), (0.15, 1.2)), "blind": _swaying("blind", (0.003, 0.02), (0.8, 4.0)),
    "plant": _swaying("plant", (0.005, 0.05), (0.4, 1.6)),
    "vacuum": _vacuum, "dog": _pet("dog"), "cat": _pet("cat"), "door": _door, "falling": _falling, "wd7_arm": _arm,
    "clicks": _sounding("clicks"), "keys": _sounding("keys"), "bats": _sounding("bats"),
    "repeller": _sounding("repeller"), "taps": _sounding("taps"), "other_unit": _other_unit,
}  # fmt: skip
