"""Scenes: a room, a device on its wall, and who comes in. Everything follows from the scene and its seed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from appliance.simulation.bodies import Person, Reach, Sit, StandUp, Stay, Walk
from appliance.simulation.device import IDEAL, Unit
from appliance.simulation.loudspeaker import Music
from appliance.simulation.sounds import Sound
from appliance.simulation.things import Thing


@dataclass(frozen=True, slots=True)
class Air:
    """The room's air; humidity alone moves a 5 m round trip by some 5 dB."""

    temperature_c: float = 20.0
    relative_humidity_percent: float = 50.0
    turbulence_rad: float = 0.05
    """Phase that moving air adds to a path of 4 m at 40 kHz, root mean square."""
    turbulence_corner_hz: float = 2.0
    drift_c_per_hour: float = 0.0
    heating_swing_c: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A shoe-box room of `size_m` with its device at `device_m`, which looks along +x.

    Whoever stands at x >= `door_x_m` is outside and cannot be heard. `wall_order` is the number of walls by which the
    still room is heard (0-2), `echo_order` that of what moves (0-1).
    """

    name: str
    duration_s: float
    people: tuple[Thing, ...] = ()
    things: tuple[Thing, ...] = ()
    sounds: tuple[Sound, ...] = ()
    size_m: tuple[float, float, float] = (5.0, 4.0, 2.5)
    device_m: tuple[float, float, float] = (0.06, 2.0, 1.2)
    door_x_m: float = 5.0
    wall_reflection_db: float = -8.0
    wall_order: int = 1
    echo_order: int = 0
    t60_s: float = 0.1
    tail_arrivals: int = 8
    air: Air = Air()
    unit: Unit = IDEAL
    music: Music | None = None
    seed: int = 1

    def inside_s(self) -> tuple[float, float] | None:
        """When the first part of anybody comes in by the door and the last one is out again; None if nobody comes."""
        times = np.arange(0.0, self.duration_s, 0.005)
        somebody = np.zeros(len(times), bool)
        for person in self.people:
            somebody |= (person.reflectors(times).places[..., 0] < self.door_x_m).any(axis=1)
        inside = np.flatnonzero(somebody)
        return (float(times[inside[0]]), float(times[inside[-1]])) if len(inside) else None


def empty(duration_s: float = 60.0, *, seed: int = 1) -> Scene:
    """An empty, quiet room."""
    return Scene(name="empty", duration_s=duration_s, seed=seed)


def visit() -> Scene:
    """An empty room; someone walks in, sits down and reads, gets up and leaves."""
    person = Person(
        at=(5.6, 2.6),
        start_s=5.0,
        actions=(
            Walk((2.4, 2.0)),
            Sit(),
            *(action for _ in range(3) for action in (Stay(2.5), Reach())),
            Stay(1.5),
            StandUp(),
            Walk((5.8, 2.6)),
        ),
    )
    return Scene(name="visit", duration_s=45.0, people=(person,))


def walk(*, distance_m: float, start_s: float = 5.0, towards: bool = True, seed: int = 1) -> Scene:
    """Someone stands at a distance from the device and walks from `start_s` on, towards it or across."""
    at = (0.06 + distance_m, 2.0)
    to = (max(0.6, at[0] - 2.5), 2.0) if towards else (at[0], 0.5)
    return Scene(
        name=f"walk at {distance_m:g} m",
        duration_s=start_s + 5.0,
        people=(Person(at=at, start_s=start_s, actions=(Walk(to),)),),
        size_m=(7.0, 4.0, 2.5),
        door_x_m=7.0,
        seed=seed,
    )


SCENES: dict[str, Callable[[], Scene]] = {"empty": empty, "visit": visit}
