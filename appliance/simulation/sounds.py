"""What sounds by itself, echo or no echo: clicks, keys, bats, pest repellers, another unit, taps on the case.

Sounds are functions of time and seed: the bursts of each stretch of time are drawn anew from the stretch's number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.physics import air_absorption_db_per_m, speed_of_sound_mps
from appliance.simulation.device import MIC_FULL_SCALE_DB_SPL

SOUND_RATE_HZ = 192_000
STRETCH_S = 5.0
LONGEST_BURST_S = 0.5

Wave = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Burst:
    """A short sound as the microphones get it: `samples` [frames, mics], full scale 1.0."""

    first_frame: int
    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Line:
    """A steady tone: complex amplitude at each microphone [mics] at frame 0, full scale 1.0."""

    frequency_hz: float
    amplitude: NDArray[np.complex128]


class Sound(Protocol):
    """A source of sound in the room."""

    @property
    def kind(self) -> str:
        """What it is, in one word."""

    def bursts(self, stretch: int, mics_m: NDArray[np.float64]) -> list[Burst]:
        """Those that begin in a stretch of STRETCH_S, at microphones [mics, 3] (m)."""

    def lines(self, mics_m: NDArray[np.float64]) -> list[Line]:
        """The steady tones in it."""


@dataclass(frozen=True, slots=True)
class Bursts:
    """Sounds that come now and then from a place.

    `shape` draws one: a waveform of peak 1. `level_db_spl` is the peak at 1 m, as a sine's of that amplitude; with
    `on_case` it is the level at every microphone at once. Between `start_s` and `end_s` there are `per_minute` of them.
    """

    kind: str
    shape: Callable[[np.random.Generator], Wave]
    per_minute: float
    level_db_spl: float
    at_m: tuple[float, float, float] = (2.0, 2.0, 1.0)
    on_case: bool = False
    start_s: float = 0.0
    end_s: float = float("inf")
    spread_db: float = 6.0
    seed: int = 1

    def bursts(self, stretch: int, mics_m: NDArray[np.float64]) -> list[Burst]:
        """As many as chance has it."""
        random = np.random.default_rng([self.seed, 31, stretch])
        found = []
        for _ in range(random.poisson(self.per_minute * STRETCH_S / 60.0)):
            at_s = (stretch + random.random()) * STRETCH_S
            wave = self.shape(random)[: int(LONGEST_BURST_S * SOUND_RATE_HZ)]
            level_db = self.level_db_spl + random.uniform(-self.spread_db, 0.0) - MIC_FULL_SCALE_DB_SPL
            if self.start_s <= at_s < self.end_s:
                found.append(self._burst(at_s, wave * 10.0 ** (level_db / 20.0), mics_m))
        return found

    def _burst(self, at_s: float, wave: Wave, mics_m: NDArray[np.float64]) -> Burst:
        if self.on_case:
            return Burst(round(at_s * SOUND_RATE_HZ), np.repeat(wave[:, None], len(mics_m), axis=1).astype(np.float32))
        distance_m = np.linalg.norm(mics_m - np.array(self.at_m), axis=1)
        delay_frames = distance_m / speed_of_sound_mps() * SOUND_RATE_HZ
        first = int(delay_frames.min())
        length = 1 << (len(wave) + 64).bit_length()
        turns = np.fft.rfftfreq(length)[:, None] * (delay_frames - first)
        spectrum = np.fft.rfft(wave, length)[:, None] * np.exp(-2j * np.pi * turns) / np.maximum(distance_m, 0.05)
        samples = np.fft.irfft(spectrum, length, axis=0)[: len(wave) + 64]
        return Burst(round(at_s * SOUND_RATE_HZ) + first, samples.astype(np.float32))

    def lines(self, mics_m: NDArray[np.float64]) -> list[Line]:
        """None."""
        del mics_m
        return []


@dataclass(frozen=True, slots=True)
class SteadyTone:
    """Another unit of our own, or a repeller that does not sweep: a tone from a place."""

    kind: str
    frequency_hz: float
    level_db_spl: float
    at_m: tuple[float, float, float]

    def bursts(self, stretch: int, mics_m: NDArray[np.float64]) -> list[Burst]:
        """None."""
        del stretch, mics_m
        return []

    def lines(self, mics_m: NDArray[np.float64]) -> list[Line]:
        """One."""
        distance_m = np.linalg.norm(mics_m - np.array(self.at_m), axis=1)
        loss_db = air_absorption_db_per_m(self.frequency_hz) * distance_m
        level = 10.0 ** ((self.level_db_spl - MIC_FULL_SCALE_DB_SPL - loss_db) / 20.0) / np.maximum(distance_m, 0.05)
        turns = -self.frequency_hz * distance_m / speed_of_sound_mps()
        return [Line(self.frequency_hz, level * np.exp(2j * np.pi * turns))]


def click(random: np.random.Generator) -> Wave:
    """A switch, a joint, a crack: 5 us to 2 ms of noise that dies away."""
    frames = int(random.integers(1, 400))
    wave = random.standard_normal(frames) * np.exp(-3.0 * np.arange(frames) / frames)
    return np.asarray(wave / np.abs(wave).max())


def keys(random: np.random.Generator) -> Wave:
    """A bunch of keys: some twenty ringing partials from 15 to 60 kHz, struck several times in 0.3 s."""
    t_s = np.arange(int(0.3 * SOUND_RATE_HZ)) / SOUND_RATE_HZ
    wave = np.zeros(len(t_s))
    for _ in range(int(random.integers(3, 9))):
        struck_s = random.uniform(0.0, 0.25)
        since_s = t_s - struck_s
        for partial_hz in random.uniform(15_000.0, 60_000.0, 8):
            decay_s = random.uniform(0.002, 0.02)
            ringing = np.exp(-since_s / decay_s) * np.sin(2.0 * np.pi * partial_hz * since_s)
            wave += np.where(since_s > 0.0, random.uniform(0.2, 1.0) * ringing, 0.0)
    return np.asarray(wave / np.abs(wave).max())


def bat_call(random: np.random.Generator) -> Wave:
    """A pipistrelle's call: 4 to 8 ms, a sweep from some 80 kHz that ends almost level near 45 kHz."""
    duration_s = random.uniform(0.004, 0.008)
    t_s = np.arange(int(duration_s * SOUND_RATE_HZ)) / SOUND_RATE_HZ
    end_hz, start_hz = random.uniform(38_000.0, 48_000.0), random.uniform(65_000.0, 90_000.0)
    fall_s = duration_s * random.uniform(0.15, 0.35)
    turns = end_hz * t_s - (start_hz - end_hz) * fall_s * np.expm1(-t_s / fall_s)
    return np.asarray(np.sin(np.pi * t_s / duration_s) ** 0.7 * np.sin(2.0 * np.pi * turns))


def repeller_chirp(random: np.random.Generator) -> Wave:
    """A pest repeller: 0.2 s that sweep from 25 to 55 kHz, or back."""
    t_s = np.arange(int(0.2 * SOUND_RATE_HZ)) / SOUND_RATE_HZ
    low_hz, high_hz = 25_000.0, 55_000.0
    from_hz, to_hz = (low_hz, high_hz) if random.random() < 0.5 else (high_hz, low_hz)
    turns = from_hz * t_s + (to_hz - from_hz) * t_s**2 / 0.4
    return np.asarray(np.sin(2.0 * np.pi * turns))


def tap(random: np.random.Generator) -> Wave:
    """A finger on the case: a blow of 1 to 5 ms and the case's ringing, with a little left above 30 kHz."""
    t_s = np.arange(int(0.03 * SOUND_RATE_HZ)) / SOUND_RATE_HZ
    blow = np.exp(-t_s / random.uniform(0.0002, 0.001)) * random.standard_normal(len(t_s))
    ringing = np.exp(-t_s / 0.006) * np.sin(2.0 * np.pi * random.uniform(800.0, 3000.0) * t_s)
    wave = 0.3 * blow + ringing
    return np.asarray(wave / np.abs(wave).max())


SHAPES: dict[str, tuple[Callable[[np.random.Generator], Wave], float, float]] = {
    "clicks": (click, 30.0, 75.0),
    "keys": (keys, 6.0, 80.0),
    "bats": (bat_call, 20.0, 95.0),
    "repeller": (repeller_chirp, 60.0, 85.0),
    "taps": (tap, 4.0, 100.0),
}
"""For each kind: its waveform, how many a minute and how loud (dB SPL at 1 m) unless told otherwise."""
