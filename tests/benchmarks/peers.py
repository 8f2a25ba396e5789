"""What one would use instead, made to do the same job, and the proof that it does."""

import contextlib
import dataclasses
import subprocess

import numpy as np
from benchmarks import building
from reference import design_filters
from reference.downconvert import whole_filter
from scipy.signal import firwin, kaiserord, upfirdn

from appliance.dsp import _core

RATE_HZ = 192_000
CARRIER_HZ = 40_000
MICS = 4
BLOCK_FRAMES = 1_920
OUTPUT_HZ = 2_400
DECIMATION = RATE_HZ // OUTPUT_HZ

PASS_DB = 0.1
STOP_DB = -80.0

OURS, OURS_CALLED = "pipistrelle", "pipistrelle, called from Python"
CASCADE, IDIOMATIC = "SciPy cascade", "SciPy one stage"
MULTIPLY, READ = "floor multiply-accumulate", "floor read"


@dataclasses.dataclass(frozen=True)
class Library:
    """A competitor's library: its header, what the linker calls it, Debian's package, and its names."""

    header: str
    links: tuple[str, ...]
    package: str
    peers: tuple[str, ...]


LIBRARIES = {
    "liquid": Library("liquid/liquid.h", ("liquid",), "libliquid-dev", ("liquid cascade", "liquid one stage")),
    "soxr": Library("soxr.h", ("soxr",), "libsoxr-dev", ("soxr",)),
    "fftw": Library("fftw3.h", ("fftw3f",), "libfftw3-dev", ("FFTW 10 ms", "FFTW 80 ms", "FFTW 140 ms")),
}


class CPeers:
    """The C competitors, one process for all, so that a run of each can follow a run of another."""

    def __init__(self, folder):
        self.present = [name for name, library in LIBRARIES.items() if building.has_header(library.header)]
        self.absent = [LIBRARIES[name] for name in LIBRARIES if name not in self.present]
        self.program = self._build(folder)
        listed = subprocess.run([self.program, "list"], check=True, capture_output=True, text=True)
        self.names = listed.stdout.splitlines()
        self._server = subprocess.Popen(
            [self.program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def _build(self, folder):
        (folder / "peer_taps.h").write_text(taps_header())
        wanted = ["peers", "peer_pipistrelle", "floor", *(f"peer_{name}" for name in self.present)]
        flags = [*building.COMPETITOR_FLAGS, *(f"-DWITH_{name.upper()}" for name in self.present)]
        objects = building.compile_objects([building.HERE / f"{name}.c" for name in wanted], folder, flags=flags)
        links = [link for name in self.present for link in LIBRARIES[name].links]
        return building.link([*objects, *building.core_objects(folder)], links, folder / "peers")

    def ns_per_frame(self, name, passes):
        """Time of `passes` quarters of a second; of the floor per multiply-accumulate or frame read."""
        self._server.stdin.write(f"{passes} {name}\n")
        return float(self._server.stdout.readline())

    def filter(self, name, samples):
        """iq [n, mics] of `samples` [frames, mics]."""
        ran = subprocess.run([self.program, "filter", name], input=samples.tobytes(), check=True, capture_output=True)
        return np.frombuffer(ran.stdout, np.complex64).reshape(-1, MICS)

    def close(self):
        """End the process."""
        self._server.stdin.close()
        self._server.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def taps_header():
    """The filters for the C competitors: ours, and their convolution for those with one stage."""
    cascade = design_filters.committed_cascade(RATE_HZ)
    filters = {"stage_1": cascade.stage_1, "stage_2": cascade.stage_2, "stage_3": cascade.stage_3}
    filters["whole"] = whole_filter(RATE_HZ)
    return "\n".join(
        f"static float {name}[{len(taps)}] __attribute__((unused)) = {{{', '.join(f'{t:.9e}F' for t in taps)}}};"
        for name, taps in filters.items()
    )


def oscillator(frames):
    """Down to the carrier's band, with the PCM's scale and the factor 2 of a real signal."""
    return 2 / 2**31 * np.exp(-2j * np.pi * (CARRIER_HZ / RATE_HZ * np.arange(frames) % 1.0))


def scipy_one_stage(samples):
    """As most would write it: mix, then one FIR from the usual formula for 80 dB, decimating. In double precision."""
    edge_hz = (900 + 1100) / 2
    count, beta = kaiserord(-STOP_DB + 1, (1100 - 900) / (RATE_HZ / 2))
    taps = firwin(count, edge_hz, window=("kaiser", beta), fs=RATE_HZ)
    turning = oscillator(len(samples))[:, None]
    return lambda: upfirdn(taps, samples * turning, down=DECIMATION, axis=0)


def scipy_cascade(samples):
    """The fastest found with SciPy: our filters in single precision, a row a microphone, a ready oscillator."""
    cascade = design_filters.committed_cascade(RATE_HZ)
    stages = [
        (np.float32(taps), down) for taps, down in ((cascade.stage_1, 8), (cascade.stage_2, 5), (cascade.stage_3, 2))
    ]
    turning = oscillator(len(samples)).astype(np.complex64)

    def work():
        signal = np.ascontiguousarray(samples.T).astype(np.float32) * turning
        for taps, down in stages:
            signal = upfirdn(taps, signal, down=down)
        return signal.T

    return work


def pipistrelle_called(samples):
    """The extension, block by block into memory that is there, as the service calls it."""
    converter = _core.DownConverter(rate_hz=RATE_HZ, mics=MICS, carriers_hz=[CARRIER_HZ])
    iq = np.empty((len(samples) // BLOCK_FRAMES, 1, MICS, BLOCK_FRAMES // DECIMATION), np.complex64)
    blocks = list(zip(samples.reshape(-1, BLOCK_FRAMES, MICS), iq, strict=True))

    def work():
        for block, out in blocks:
            converter.process_into(block, out)
        return iq.transpose(0, 3, 1, 2).reshape(-1, MICS)

    return work


PYTHON_PEERS = {OURS_CALLED: pipistrelle_called, CASCADE: scipy_cascade, IDIOMATIC: scipy_one_stage}
"""By name: what makes the work on given samples. SciPy gets all at once, which spares it the state between blocks."""


class WrongAnswerError(Exception):
    """A competitor does not do the job; its time would mean nothing."""


def check(name, filtered):
    """Compare what `filtered(samples)` makes of sines with what a float64 calculation says they are.

    In the pass band each sine has to come out with its amplitude and frequency, within 0.1 dB and with 80 dB between it
    and all else; of those in the stop band, wherever they would alias to, nothing above -80 dB may come.

    Returns:
        Largest deviation in the pass band and largest gain in the stop band, both in dB.
    """
    inside_hz = np.array([-900.0, -700.0, -300.0, -20.0, 10.0, 400.0, 800.0, 900.0])
    images_hz = [k * OUTPUT_HZ + offset for k in (1, -1, 2, 10, -10, 30) for offset in (-1_095.0, 0.0, 1_095.0)]
    outside_hz = np.array([1_100.0, -1_100.0, *images_hz])
    outside_hz = outside_hz[: len(outside_hz) // MICS * MICS]
    deviation_db = gain_db = -np.inf
    for first in range(0, len(inside_hz), MICS):
        offsets_hz = inside_hz[first : first + MICS]
        gain, rest = gain_and_rest(filtered(sines(offsets_hz)), offsets_hz)
        deviation_db = max(deviation_db, np.abs(20 * np.log10(gain)).max())
        if rest.max() > 10 ** (STOP_DB / 20):
            raise WrongAnswerError(f"{name}: {20 * np.log10(rest.max()):.1f} dB of something else beside a sine")
    for first in range(0, len(outside_hz), MICS):
        iq = settled(filtered(sines(outside_hz[first : first + MICS])))
        gain_db = max(gain_db, 20 * np.log10(np.abs(iq).max()))
    if deviation_db > PASS_DB or gain_db > STOP_DB:
        raise WrongAnswerError(f"{name}: pass band within {deviation_db:.3f} dB, stop band at {gain_db:.1f} dB")
    return deviation_db, gain_db


CHECK_FRAMES = RATE_HZ * 6 // 10 // BLOCK_FRAMES * BLOCK_FRAMES


def sines(offsets_hz):
    """Full-scale sines beside the carrier, one for each microphone."""
    turns = np.outer(np.arange(CHECK_FRAMES), (CARRIER_HZ + np.asarray(offsets_hz)) / RATE_HZ) % 1.0
    return np.rint(np.sin(2 * np.pi * turns) * (2**31 - 1)).astype(np.int32)


def settled(iq):
    """Without the beginning and the end, where a filter meets silence."""
    return iq[250:450].astype(complex)


def gain_and_rest(iq, offsets_hz):
    """Amplitude of each microphone's sine in `iq` [n, mics], and the RMS of all that is not that sine."""
    iq = settled(iq)
    turning = np.exp(2j * np.pi * np.outer(np.arange(len(iq)), offsets_hz) / OUTPUT_HZ)
    amplitude = (iq * turning.conj()).mean(axis=0)
    rest = iq - amplitude * turning
    return np.abs(amplitude), np.sqrt((np.abs(rest) ** 2).mean(axis=0))


@contextlib.contextmanager
def all_peers(folder):
    """The C competitors, and what the check of each competitor measured: (pass, stop) in dB by name."""
    with CPeers(folder) as c_peers:
        figures = {}
        for name in c_peers.names:
            figures[name] = check(name, lambda samples, name=name: c_peers.filter(name, samples))
        for name, make in PYTHON_PEERS.items():
            figures[name] = check(name, lambda samples, make=make: make(samples)())
        yield c_peers, figures
