"""A scene as range profiles, without ever computing a sample at 192 kHz: what a chirp receiver would give.

A linear chirp passes its frequencies one after the other, so that each path's answer over frequency is a phasor that
turns smoothly: the same sum as for tones, over frequency instead of time. Each frequency meets the path as it is at
its own instant of arrival, so that range and Doppler are coupled as they are in truth, and each has its own absorption.
"""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from appliance.dsp._core import PHASOR_MARGIN, PhasorSum
from appliance.physics import speed_of_sound_mps
from appliance.simulation.acoustics import Rays, absorption_per_m
from appliance.simulation.device import MIC_FULL_SCALE_DB_SPL
from appliance.simulation.propagation import PathGroup, Propagation
from appliance.simulation.scenes import Scene
from appliance.types import Chirps, RangeFrame

BIN_RATE_HZ = 6_000.0
"""Range bins a second of travel: 2.9 cm apart."""

MAX_RANGE_M = 8.0

_STEP_S = 1.0
_FOLD = 384
"""Range bins of one turn of the transform: 64 ms, beyond which echoes would come back at short range."""

_LINES_HZ = BIN_RATE_HZ / _FOLD
_SEGMENTS = 4
_USED_HZ = 10_000.0
_LONGEST_S = 0.1
"""No path is longer."""

_Real = TypeVar("_Real", np.float32, np.float64)


class RangeRoom:
    """Range profiles of a scene in which chirps are played, one `RangeFrame` a pulse.

    An echo of amplitude A has a peak of A at its range and a phase of -4 pi range / wavelength at the chirps' centre;
    the band is weighted by Hann (side lobes -31 dB), and of a sweep wider than 10 kHz only the middle is used. Sounds
    of the scene are not heard.

    Args:
        scene: what happens.
        chirps: what the tweeter plays, from the scene's start on.
        mics: 1-8.
    """

    def __init__(self, scene: Scene, *, chirps: Chirps, mics: int = 4) -> None:
        self._scene, self._chirps, self._mics = scene, chirps, mics
        self._propagation = Propagation(scene, mics=mics)
        used_hz = min(abs(chirps.stop_hz - chirps.start_hz), _USED_HZ)
        self.centre_hz = 0.5 * (chirps.start_hz + chirps.stop_hz)
        per_segment = round(used_hz / _LINES_HZ / _SEGMENTS)
        self._core = PhasorSum(mics=mics, segment_samples=per_segment)
        lines = _SEGMENTS * per_segment
        self._first_hz = self.centre_hz - 0.5 * lines * _LINES_HZ
        frequency_hz = self._first_hz + _LINES_HZ * np.arange(lines)
        weight = np.sin(np.pi * np.arange(lines) / lines) ** 2
        amplitude = 10.0 ** ((chirps.level_db_spl - MIC_FULL_SCALE_DB_SPL) / 20.0)
        self._shape = (amplitude * scene.unit.response(mics, frequency_hz) * weight / weight.sum()).astype(np.complex64)
        self._noise_shape = self._noise_of_lines(weight / weight.sum())
        points = np.arange(-PHASOR_MARGIN, _SEGMENTS + PHASOR_MARGIN + 1)
        self._point_hz = self._first_hz + _LINES_HZ * per_segment * points
        self._sweep_hz_per_s = (chirps.stop_hz - chirps.start_hz) / chirps.pulse_s
        self._point_s = (self._point_hz - chirps.start_hz) / self._sweep_hz_per_s
        bins = int(MAX_RANGE_M / (0.5 * speed_of_sound_mps(scene.air.temperature_c) / BIN_RATE_HZ)) + 1
        self.range_m = (0.5 * speed_of_sound_mps(scene.air.temperature_c) / BIN_RATE_HZ * np.arange(bins)).astype(
            np.float32
        )
        turned = np.mod((self._first_hz - self.centre_hz) / BIN_RATE_HZ * np.arange(bins), 1.0)
        self._shift = np.exp(2j * np.pi * turned)
        self._random = np.random.default_rng([scene.seed, 42])
        self._pulse = 0

    def _noise_of_lines(self, weight: NDArray[np.float64]) -> NDArray[np.float32]:
        """Standard deviation of each line's noise behind the matched filter.

        A chirp of amplitude 1 has the energy T spread evenly over its band B, so that a line's noise is divided by
        sqrt(T / B); lines are 1 / extent apart.
        """
        density = 10.0 ** ((self._scene.unit.noise_db_spl_per_hz - MIC_FULL_SCALE_DB_SPL) / 10.0)
        band_hz = abs(self._chirps.stop_hz - self._chirps.start_hz)
        return np.asarray(weight * math.sqrt(density * band_hz / self._chirps.pulse_s / _LINES_HZ), np.float32)

    def read(self, duration_s: float) -> list[RangeFrame] | None:
        """The frames of the next pulses that begin within `duration_s`; None when the scene is over."""
        first_s = self._pulse / self._chirps.pulses_hz
        if first_s >= self._scene.duration_s:
            return None
        wanted = max(1, round(duration_s * self._chirps.pulses_hz))
        left = math.ceil((self._scene.duration_s - first_s) * self._chirps.pulses_hz - 1e-9)
        frames: list[RangeFrame] = []
        at_once = max(1, round(_STEP_S * self._chirps.pulses_hz))
        for done in range(0, min(wanted, left), at_once):
            frames += self._render(min(at_once, min(wanted, left) - done))
        return frames

    def _render(self, pulses: int) -> list[RangeFrame]:
        begins_s = (self._pulse + np.arange(pulses)) / self._chirps.pulses_hz
        self._pulse += pulses
        instants = begins_s[:, None] + self._point_s
        found = [self._rays(group, instants) for group in self._propagation.groups]
        delay_s = np.concatenate([rays.delay_s for rays in found], axis=2)
        # a moving path shifts what arrives to another of the sweep's frequencies: the square of the shift remains
        shift_hz = np.gradient(delay_s, self._point_s, axis=1) * self._point_hz[:, None, None]
        way = delay_s * self._point_hz[:, None, None] + shift_hz**2 * (0.5 / self._sweep_hz_per_s)
        gain = np.concatenate([rays.gain for rays in found], axis=2)
        everything = np.ones(way.shape[2], np.uint8)
        lines = np.zeros((pulses, *self._shape.shape), np.complex64)
        for pulse in range(pulses):
            self._core.process_into(way[pulse], -1.0, gain[pulse], everything, lines[pulse])
        lines *= self._shape
        noise = self._random.standard_normal((*lines.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
        lines += noise * (self._noise_shape / math.sqrt(2.0))
        profiles = self._profiles(lines)
        return [
            RangeFrame(echoes=echoes, range_m=self.range_m, t_s=float(begin_s))
            for echoes, begin_s in zip(profiles, begins_s, strict=True)
        ]

    def _rays(self, group: PathGroup, instants: NDArray[np.float64]) -> Rays:
        """Rays at the instants [pulses, points] of emission, as the echoes meet them on arrival; gains by frequency."""
        step_s = 1.0 / group.rate_hz
        first = math.floor(float(instants.min()) / step_s) - 1
        last = math.floor((float(instants.max()) + _LONGEST_S) / step_s) + 3
        rays = group.rays(step_s * np.arange(first, last + 1), self.centre_hz)
        emitted = (instants.ravel() / step_s - first)[:, None]
        away = _joined(rays.delay_s[:, :, :1], np.repeat(emitted, rays.delay_s.shape[1], axis=1))[:, :, 0]
        arrives = emitted + np.minimum(away, _LONGEST_S) / step_s
        delay_s = _joined(rays.delay_s, arrives).reshape(*instants.shape, *rays.delay_s.shape[1:])
        gain = _taken(rays.gain, np.rint(arrives).astype(np.int64)).reshape(delay_s.shape)
        there = np.array([absorption_per_m(self._scene.air, hz) for hz in self._point_hz])
        speed_mps = speed_of_sound_mps(self._scene.air.temperature_c)
        more = (there - absorption_per_m(self._scene.air, self.centre_hz)) * speed_mps
        louder = np.outer(np.log2(self._point_hz / self.centre_hz), group.slope_db_per_octave) * (math.log(10.0) / 20.0)
        gain = gain * np.exp(louder[..., None] - more[:, None, None] * delay_s).astype(np.float32)
        return Rays(delay_s, gain)

    def _profiles(self, lines: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Echoes [pulses, mics, bins] of lines over frequency: a transform whose turns fold."""
        pulses, mics, count = lines.shape
        folds = -(-count // _FOLD)
        padded = np.zeros((pulses, mics, folds * _FOLD), np.complex64)
        padded[..., :count] = lines
        folded = padded.reshape(pulses, mics, folds, _FOLD).sum(axis=2)
        bins = len(self.range_m)
        return np.ascontiguousarray((np.fft.ifft(folded)[..., :bins] * (_FOLD * self._shift)).astype(np.complex64))


def _joined(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values [instants, paths, mics] between equally spaced ones, each path at positions of its own [instants, paths].

    By Catmull and Rom's cubics.
    """
    whole = np.floor(at).astype(np.int64)
    u = (at - whole)[..., None]
    before, here, there, after = (_taken(values, whole + step) for step in (-1, 0, 1, 2))
    bend = 2.0 * before - 5.0 * here + 4.0 * there - after + u * (3.0 * (here - there) + after - before)
    return np.asarray(here + 0.5 * u * (there - before + u * bend))


def _taken(values: NDArray[_Real], which: NDArray[np.int64]) -> NDArray[_Real]:
    """Values [instants, paths, mics] of each path at instants of its own [instants, paths]."""
    paths, mics = values.shape[1:]
    return values.reshape(-1, mics).take(which * paths + np.arange(paths), axis=0)
