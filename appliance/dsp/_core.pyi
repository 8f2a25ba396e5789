# The C extension's types. Contracts in csrc/*.h and in help(); slow twins in tests/reference.
from collections.abc import Sequence
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

BAND_HZ: Final[int]
BAND_STOP_HZ: Final[float]
MIN_DELAY_FRAMES: Final[int]
MIN_EMITTED_HZ: Final[float]
TONE_BLOCK_FRAMES: Final[int]
LOWEST_CHIRP_HZ: Final[float]
HIGHEST_CHIRP_HZ: Final[float]
MIN_SWEEP_HZ: Final[float]
MIN_PULSE_S: Final[float]
MAX_PULSE_S: Final[float]
MIN_PULSE_FADE_S: Final[float]
MAX_PULSE_FADE_S: Final[float]
PHASOR_MARGIN: Final[int]
ECHO_MARGIN: Final[int]

@final
class DownConverter:
    # instruction_set: generic, avx2, neon, or auto for the fastest here
    def __init__(
        self, *, rate_hz: int, mics: int, carriers_hz: Sequence[float], instruction_set: str = "auto"
    ) -> None: ...
    @property
    def instruction_set(self) -> str: ...
    @property
    def output_rate_hz(self) -> float: ...
    @property
    def group_delay_frames(self) -> float: ...
    def output_samples(self, frames: int) -> int: ...
    # samples [frames, mics] in, iq [carriers, mics, output_samples(frames)] out
    def process_into(self, samples: NDArray[np.int32], iq: NDArray[np.complex64]) -> int: ...
    def reset(self, first_frame: int = 0) -> None: ...

@final
class ToneSynthesiser:
    # amplitudes of full scale
    def __init__(self, *, rate_hz: int, outputs: int, max_amplitude: float, fade_s: float) -> None: ...
    @property
    def settled(self) -> bool: ...
    @property
    def loudest(self) -> float: ...
    # amplitude is the sum over carriers; no carriers fade to silence
    def play(self, carriers_hz: Sequence[float], amplitude: float) -> None: ...
    # samples [frames, outputs] out
    def process_into(self, samples: NDArray[np.int32]) -> None: ...
    def reset(self) -> None: ...

@final
class ChirpSynthesiser:
    def __init__(
        self,
        *,
        rate_hz: int,
        outputs: int,
        max_amplitude: float,
        start_hz: float,
        stop_hz: float,
        pulse_s: float,
        fade_s: float,
    ) -> None: ...
    @property
    def pulse_frames(self) -> int: ...
    @property
    def frames_left(self) -> int: ...
    def begin(self, amplitude: float) -> None: ...
    # adds to samples [frames, outputs]
    def process_into(self, samples: NDArray[np.int32]) -> None: ...
    # pulse [pulse_frames] out
    def pulse_into(self, pulse: NDArray[np.float32]) -> None: ...
    def reset(self) -> None: ...

@final
class MultipathChannel:
    def __init__(self, *, paths: int, mics: int, max_delay_frames: int) -> None: ...
    # signal [frames] in; delay_frames, gain [points, paths, mics], linear between points; adds to out [frames, mics]
    def process_into(
        self,
        signal: NDArray[np.float32],
        delay_frames: NDArray[np.float64],
        gain: NDArray[np.float32],
        out: NDArray[np.float32],
    ) -> None: ...
    def reset(self) -> None: ...

@final
class PhasorSum:
    def __init__(self, *, mics: int, segment_samples: int) -> None: ...
    # way, gain [segments + 1 + 2 * PHASOR_MARGIN, paths, mics], chosen [paths]; adds to out [mics, segments * samples]
    def process_into(
        self,
        way: NDArray[np.float64],
        turns_per_way: float,
        gain: NDArray[np.float32],
        chosen: NDArray[np.uint8],
        out: NDArray[np.complex64],
    ) -> None: ...

@final
class EchoPaths:
    def __init__(self, *, mics: int, nearest_m: float) -> None: ...
    # places [times, points, 3], strength [times, points], scale, offset [times, mics]; fills delay, gain [.., .., mics]
    def process_into(
        self,
        places_m: NDArray[np.float64],
        strength: NDArray[np.float32],
        source_m: NDArray[np.float64],
        mics_m: NDArray[np.float64],
        scale: NDArray[np.float64],
        offset: NDArray[np.float64],
        absorption_per_m: float,
        delay: NDArray[np.float64],
        gain: NDArray[np.float32],
    ) -> None: ...

@final
class EchoTones:
    def __init__(self, *, mics: int, segment_samples: int, nearest_m: float) -> None: ...
    # places [points, scatterers, 3], strength [points, scatterers], scatterer, leg, weight [paths], source [legs, 3],
    # mics [legs, mics, 3], scale [points, legs, mics], offset [points, mics], response [mics, steps]; adds to
    # out [mics, segments * segment_samples]
    def process_into(
        self,
        places_m: NDArray[np.float64],
        strength: NDArray[np.float32],
        scatterer: NDArray[np.int32],
        leg: NDArray[np.int32],
        weight: NDArray[np.float32],
        source_m: NDArray[np.float64],
        mics_m: NDArray[np.float64],
        scale: NDArray[np.float64],
        offset: NDArray[np.float64],
        absorption_per_m: float,
        carrier_hz: float,
        points_hz: float,
        response: NDArray[np.float32],
        step_hz: float,
        out: NDArray[np.complex64],
    ) -> None: ...

@final
class RangeGate:
    # replica [samples] at 12 kHz
    def __init__(
        self,
        *,
        rate_hz: int,
        mics: int,
        centre_hz: float,
        period_frames: int,
        bins: int,
        bin_samples: int,
        lead_samples: int,
        replica: NDArray[np.complex64],
    ) -> None: ...
    @property
    def next_pulse_frame(self) -> int: ...
    def output_pulses(self, frames: int) -> int: ...
    # samples [frames, mics] in, echoes [output_pulses(frames), mics, bins] out
    def process_into(self, samples: NDArray[np.int32], echoes: NDArray[np.complex64]) -> int: ...
    def reset(self, first_frame: int = 0, offset_frames: float = 0.0) -> None: ...

@final
class CarrierWatch:
    def __init__(self) -> None: ...
    # iq [carriers, mics, samples]; 0 steady, 1 unsteady, 2 missing
    def process(self, iq: NDArray[np.complex64], rate_hz: float) -> int: ...
    # level_dbfs [rows] out
    def level_into(self, level_dbfs: NDArray[np.float32]) -> None: ...
    def reset(self) -> None: ...

@final
class ClutterCanceller:
    def __init__(self, *, time_constant_s: float) -> None: ...
    # iq [carriers, mics, samples] in, moving of the same shape out
    def process_into(
        self, iq: NDArray[np.complex64], rate_hz: float, frozen: bool, moving: NDArray[np.complex64]
    ) -> None: ...
    def reset(self) -> None: ...

@final
class DopplerSpectra:
    def __init__(self, *, carriers: int, mics: int, window_samples: int, hop_samples: int) -> None: ...
    @property
    def until_hop(self) -> int: ...
    def output_spectra(self, samples: int, /) -> int: ...
    # iq [carriers, mics, samples] in, power_dbfs [output_spectra(samples), carriers, mics, bins] out
    def process_into(self, iq: NDArray[np.complex64], power_dbfs: NDArray[np.float32]) -> None: ...
    def reset(self) -> None: ...

@final
class CfarDetector:
    def __init__(
        self,
        *,
        rows: int,
        bins: int,
        bands: Sequence[tuple[int, int]],
        looks: int,
        looks_shape: Sequence[float],
        looks_independent: float,
    ) -> None: ...
    # power_dbfs [carriers, mics, bins] in, power [carriers, mics, bands] out
    def band_power_into(self, power_dbfs: NDArray[np.float32], power: NDArray[np.float64], /) -> None: ...
    # floor [carriers, mics, bands]
    def begin(self, floor: NDArray[np.float64], /) -> None: ...
    # power_dbfs [carriers, mics, bins]; the highest deviate
    def judge(self, power_dbfs: NDArray[np.float32], /) -> float: ...
    # values [ratio deviate floor, bands] out
    def clearer_into(self, values: NDArray[np.float64], /) -> None: ...
    def follow(self, share: float, spread_share: float, /) -> None: ...
    def creep(self, share: float, rise: float, /) -> None: ...

class Evidence:
    def __init__(
        self,
        *,
        carriers: int,
        mics: int,
        bins: int,
        bands: Sequence[tuple[int, int]],
        shape: Sequence[float],
        hop_s: float,
    ) -> None: ...
    @property
    def values(self) -> int: ...
    # power_dbfs [carriers, mics, bins], carrier_dbfs [carriers, mics] in, values [values] out
    def process_into(
        self,
        power_dbfs: NDArray[np.float32],
        carrier_dbfs: NDArray[np.float32],
        values: NDArray[np.float32],
        /,
    ) -> bool: ...
    def reset(self) -> None: ...

class Echoes:
    def __init__(
        self,
        *,
        mics: int,
        bins: int,
        gates: Sequence[tuple[int, int]],
        shape: float,
        spread_db: Sequence[float],
    ) -> None: ...
    # echoes [mics, bins] in, values [2, gates] out
    def process_into(self, echoes: NDArray[np.complex64], period_s: float, values: NDArray[np.float32], /) -> bool: ...
    def reset(self) -> None: ...

# samples [frames, mics]; (clipped, silent in the last tail_frames)
def faults_of(samples: NDArray[np.int32], tail_frames: int, /) -> tuple[bool, bool]: ...
