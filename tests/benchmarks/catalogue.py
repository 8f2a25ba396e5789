"""Every C object's cost that is watched and told: lines of csrc/cases.c, in words."""

import dataclasses

RATE_HZ = 192_000


@dataclasses.dataclass(frozen=True)
class Case:
    """`line` is what csrc/cases.c is told, `units` how many of `unit` there are in a second of audio."""

    what: str
    line: str
    unit: str = "frame"
    units: float = RATE_HZ


CASES = [
    *(
        Case(f"down-converter, {mics} mics x {carriers} carriers", f"downconvert {mics} {carriers} {RATE_HZ} 1920 auto")
        for mics, carriers in ((1, 1), (2, 1), (4, 1), (8, 1), (4, 2), (4, 4), (8, 4))
    ),
    *(
        Case(f"down-converter, 4 mics x 1 carriers, {path}", f"downconvert 4 1 {RATE_HZ} 1920 {path}")
        for path in ("generic", "avx2", "neon")
    ),
    *(
        Case(
            f"down-converter, 4 mics x 1 carriers, {rate_hz // 1000} kHz",
            f"downconvert 4 1 {rate_hz} {rate_hz // 100} auto",
            units=rate_hz,
        )
        for rate_hz in (96_000, 384_000)
    ),
    *(Case(f"tones in stereo, carriers: {carriers}", f"tone {carriers} steady") for carriers in (1, 2, 4)),
    *(Case(f"tones in stereo, carriers: 2, {what}", f"tone 2 {what}") for what in ("fade", "glide")),
    Case("chirps in stereo, 20 Hz of 10 ms", "chirp 20 10"),
    *(Case(f"range gates, {mics} mics, 20 Hz of 10 ms", f"range {mics} 20 10") for mics in (1, 4, 8)),
    Case("spectrum of 256 points in dB, 4 mics", "doppler 4 normal", unit="column", units=2_400 / 64),
    Case("clutter, 4 mics", "clutter 4 normal", unit="block of 10 ms", units=100),
    Case("carrier watch, 4 mics", "carrier 4 normal", unit="block of 10 ms", units=100),
    Case("multipath, 8 moving paths to 4 mics", "multipath 8 4 normal"),
]
"""Those that a processor cannot do are left out there."""
