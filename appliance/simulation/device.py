"""One unit: how its tweeter and microphones answer, what leaks, what is broken. All of it follows from its seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIC_FULL_SCALE_DB_SPL = 120.0
CONVERTER_BITS = 24
TWEETER_OFFSET_M = (0.0, 0.0, 0.06)
ARRAY_RADIUS_M = 0.016

RESPONSE_TAPS = 1023
RESPONSE_RATE_HZ = 192_000.0
_DEAD = 1e-9
"""What stands for a gain of nothing where a logarithm is taken."""

_LEVEL_HZ = 40_000.0
_RIPPLE_LOW_HZ, _RIPPLE_HIGH_HZ, _RIPPLE_STEP_HZ = 20_000.0, 90_000.0, 2_500.0


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that capture loses: from `start_s` on, `lost_s` long."""

    start_s: float
    lost_s: float


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's deviations from the ideal one, which all defaults are.

    `tweeter_ripple_db` and `mic_ripple_db` bound smooth random responses over frequency, `mic_phase_deg` the
    microphones' phase at 40 kHz. `deaf_mics` loses 20 dB, `dead_mics` everything. `distortion` is the memory polynomial
    of the loudspeaker: relative amplitudes of second and third order at full scale. Bass at full scale moves the case,
    and with it a tweeter of its own, by `chassis_travel_m`; one cone for bass and tones goes `cone_travel_m`.
    """

    seed: int = 0
    tweeter_ripple_db: float = 0.0
    mic_ripple_db: float = 0.0
    mic_phase_deg: float = 0.0
    deaf_mics: tuple[int, ...] = ()
    dead_mics: tuple[int, ...] = ()
    leakage_db: float = -200.0
    noise_db_spl_per_hz: float = -5.0
    clock_ppm: float = 0.0
    gaps: tuple[Gap, ...] = ()
    distortion: tuple[float, float] = (0.0, 0.0)
    cone_travel_m: float = 0.0
    chassis_travel_m: float = 0.0

    @property
    def is_flat(self) -> bool:
        """Whether all frequencies are treated alike by every microphone and the tweeter."""
        return not (self.tweeter_ripple_db or self.mic_ripple_db)

    def tweeter(self, frequency_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Gain of the tweeter; 1 on the average."""
        return self._response(0, self.tweeter_ripple_db, frequency_hz)

    def mic(self, number: int, frequency_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Gain of a microphone without its phase."""
        gain = self._response(1 + number, self.mic_ripple_db, frequency_hz)
        fault = 0.0 if number in self.dead_mics else 0.1 if number in self.deaf_mics else 1.0
        return gain * fault

    def mic_delay_s(self, mics: int) -> NDArray[np.float64]:
        """What each microphone's phase amounts to as a delay, [mics]."""
        phase_deg = np.random.default_rng([self.seed, 21]).uniform(-1.0, 1.0, 8)[:mics] * self.mic_phase_deg
        return np.asarray(phase_deg / 360.0 / _LEVEL_HZ)

    def gain(self, mics: int, frequency_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Gain from what is played to what is recorded, [mics, frequencies] or [mics]."""
        tweeter = self.tweeter(frequency_hz)
        return np.stack([tweeter * self.mic(number, frequency_hz) for number in range(mics)])

    def impulses(self, mics: int, rate_hz: float) -> NDArray[np.float64]:
        """The same as impulse responses of minimum phase, [mics, RESPONSE_TAPS]."""
        length = 8 * (RESPONSE_TAPS + 1)
        gain = self.gain(mics, np.fft.rfftfreq(length, 1.0 / rate_hz))
        # the real cepstrum folded onto positive time (Oppenheim and Schafer, Discrete-Time Signal Processing, 13.5)
        cepstrum = np.fft.irfft(np.log(np.maximum(gain, _DEAD)))
        cepstrum[:, 1 : length // 2] *= 2.0
        cepstrum[:, length // 2 + 1 :] = 0.0
        return np.asarray(np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[:, :RESPONSE_TAPS])

    def response(self, mics: int, frequency_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Gain with its phase, [mics, frequencies]."""
        if self.is_flat:
            return self.gain(mics, frequency_hz).astype(complex)
        turning = np.exp(-2j * np.pi / RESPONSE_RATE_HZ * np.outer(np.arange(RESPONSE_TAPS), frequency_hz))
        return np.asarray(self.impulses(mics, RESPONSE_RATE_HZ) @ turning)

    def _response(self, part: int, ripple_db: float, frequency_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        nodes_hz = np.arange(_RIPPLE_LOW_HZ, _RIPPLE_HIGH_HZ, _RIPPLE_STEP_HZ)
        random = np.random.default_rng([self.seed, 22, part])
        nodes_db = random.uniform(-ripple_db, ripple_db, len(nodes_hz))
        # raised-cosine joints: smooth, and never beyond the nodes
        at = np.clip((np.asarray(frequency_hz) - nodes_hz[0]) / _RIPPLE_STEP_HZ, 0.0, len(nodes_hz) - 1.001)
        node = at.astype(int)
        share = 0.5 - 0.5 * np.cos(np.pi * (at - node))
        return np.asarray(10.0 ** ((nodes_db[node] + share * (nodes_db[node + 1] - nodes_db[node])) / 20.0))


IDEAL = Unit()


def random_unit(seed: int) -> Unit:
    """A unit as they come from the bench: +-6 dB, +-30 degrees, one in twenty with a deaf or dead microphone."""
    random = np.random.default_rng([seed, 23])
    broken = (int(random.integers(4)),) if random.random() < 0.05 else ()
    is_dead = random.random() < 0.5
    return Unit(
        seed=seed,
        tweeter_ripple_db=float(random.uniform(1.0, 6.0)),
        mic_ripple_db=float(random.uniform(0.5, 3.0)),
        mic_phase_deg=float(random.uniform(5.0, 30.0)),
        deaf_mics=() if is_dead else broken,
        dead_mics=broken if is_dead else (),
        leakage_db=float(random.uniform(-30.0, -6.0)),
        noise_db_spl_per_hz=float(random.uniform(-8.0, 3.0)),
        distortion=(float(10.0 ** random.uniform(-3.5, -2.0)), float(10.0 ** random.uniform(-3.5, -2.0))),
        chassis_travel_m=float(10.0 ** random.uniform(-6.0, -5.0)),
    )


def microphone_places(mics: int, device_m: tuple[float, float, float]) -> NDArray[np.float64]:
    """Microphones on a circle of 32 mm in the plane of the wall, [mics, 3]."""
    angle = 2.0 * np.pi * np.arange(mics) / mics
    circle = np.stack([np.zeros(mics), np.cos(angle), np.sin(angle)], axis=1)
    places: NDArray[np.float64] = np.array(device_m) + ARRAY_RADIUS_M * circle
    return places
