"""Design of every filter table in `appliance/dsp/csrc/taps.h`, and of the responses that tests hold them to.

    python tests/reference/design_filters.py          # writes taps.h
    python tests/reference/design_filters.py --check  # fails when taps.h is not what this script gives

Down-conversion: minimax FIRs by linear programming (`scipy.optimize.linprog`), because Parks-McClellan exchange
stalls some dB early at these lengths. The first two stages only keep out what would alias onto the band of
interest, the last one sets the band and equalises their droop.

Fractional delay: a Farrow structure (C. W. Farrow, ISCAS 1988), fitted to exp(-jwu) by iteratively reweighted
least squares (C. L. Lawson's method), which ends near the minimax solution.
"""

import argparse
import dataclasses
import pathlib
import re
import sys

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

TAPS_H = pathlib.Path(__file__).parents[2] / "appliance/dsp/csrc/taps.h"

PASS_HZ = 900.0
STOP_HZ = 1100.0
PASS_RIPPLE_DB = 0.097
STAGE_1_HZ = 24_000
STAGE_2_HZ = 4_800
OUTPUT_HZ = 2_400
STAGE_1_TAPS = {384_000: 43, 192_000: 21, 96_000: 11}
STAGE_2_TAPS = 22
STAGE_3_TAPS = 84

BAND_PASS_HZ = 5_000.0
BAND_STOP_HZ = 7_000.0
BAND_RIPPLE_DB = 1.5
"""At 192 kHz. Wide, because the matched filter is made from a pulse that came through these filters and undoes them."""

BAND_OUTPUT_HZ = 12_000
BAND_STAGE_1_TAPS = {192_000: 30, 96_000: 14}
BAND_STAGE_2_TAPS = 26

FARROW_TAPS = 20
FARROW_ORDER = 6
FARROW_EDGE = 68.0 / 192.0
"""Upper end of the band, in cycles per frame, over which the fractional delay is fitted."""

PHASOR_TERMS = 7
"""Coefficients of a turning phasor's cosine and sine; 7 are exact to what a float holds."""

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Cascade:
    """The three filters of one input rate, each a full symmetric impulse response."""

    rate_hz: int
    stage_1: Array
    stage_2: Array
    stage_3: Array

    def response(self, offset_hz: Array) -> Array:
        """Zero-phase response of the whole cascade at offsets from the carrier."""
        return (
            zero_phase(self.stage_1, offset_hz, self.rate_hz)
            * zero_phase(self.stage_2, offset_hz, STAGE_1_HZ)
            * zero_phase(self.stage_3, offset_hz, STAGE_2_HZ)
        )


def zero_phase(taps: Array, frequency_hz: Array, rate_hz: float) -> Array:
    """Real response of a symmetric filter, measured at its centre."""
    position = np.arange(len(taps)) - (len(taps) - 1) / 2
    return np.cos(2 * np.pi / rate_hz * np.outer(frequency_hz, position)) @ taps


def basis(taps: int, frequency_hz: Array, rate_hz: float) -> Array:
    """Zero-phase response of each independent coefficient of a symmetric filter, centre first."""
    position = np.arange(taps // 2 + taps % 2) + (0.0 if taps % 2 else 0.5)
    matrix = 2 * np.cos(2 * np.pi / rate_hz * np.outer(frequency_hz, position))
    if taps % 2:
        matrix[:, 0] = 1.0
    return matrix


def image_bands(rate_hz: int, output_hz: int, edge_hz: float = STOP_HZ) -> Array:
    """Grid over the bands that decimation folds onto +-edge_hz."""
    edges = [
        (k * output_hz - edge_hz, min(k * output_hz + edge_hz, rate_hz / 2))
        for k in range(1, rate_hz // output_hz // 2 + 1)
    ]
    return np.concatenate([np.linspace(low, high, 120) for low, high in edges])


def minimax(
    taps: int,
    rate_hz: int,
    stop_hz: Array,
    droop: tuple[Array, Array] | None = None,
    ripple_db: float = PASS_RIPPLE_DB,
) -> Array:
    """Symmetric low-pass with the least stop-band peak.

    Args:
        taps: length of the filter.
        rate_hz: rate it runs at.
        stop_hz: grid of frequencies to suppress.
        droop: pass-band grid in Hz and the gain that other stages have there; without it only DC is held at 1.
        ripple_db: how far the whole may be from 1 in the pass band.
    """
    half = taps // 2 + taps % 2
    stop = basis(taps, stop_hz, rate_hz)
    peak = np.ones((len(stop), 1))
    rows = [np.hstack([stop, -peak]), np.hstack([-stop, -peak])]
    bounds = [np.zeros(2 * len(stop))]
    equal = None
    if droop is None:
        equal = np.hstack([basis(taps, np.zeros(1), rate_hz), [[0.0]]])
    else:
        gain = basis(taps, droop[0], rate_hz) * droop[1][:, None]
        free = np.zeros((len(gain), 1))
        rows += [np.hstack([gain, free]), np.hstack([-gain, free])]
        upper, lower = 10 ** (ripple_db / 20), 10 ** (-ripple_db / 20)
        bounds += [np.full(len(gain), upper), np.full(len(gain), -lower)]
    solution = linprog(
        np.r_[np.zeros(half), 1.0],
        A_ub=np.vstack(rows),
        b_ub=np.concatenate(bounds),
        A_eq=equal,
        b_eq=None if equal is None else [1.0],
        bounds=[(None, None)] * half + [(0, None)],
        method="highs",
    )
    if not solution.success:
        raise RuntimeError(solution.message)
    centre_out = solution.x[:half]
    return np.concatenate([centre_out[::-1], centre_out[1:] if taps % 2 else centre_out])


def design_cascade(rate_hz: int) -> Cascade:
    """The three stages for one input rate."""
    stage_1 = minimax(STAGE_1_TAPS[rate_hz], rate_hz, image_bands(rate_hz, STAGE_1_HZ))
    stage_2 = minimax(STAGE_2_TAPS, STAGE_1_HZ, image_bands(STAGE_1_HZ, STAGE_2_HZ))
    band_hz = np.linspace(0, PASS_HZ, 200)
    droop = zero_phase(stage_1, band_hz, rate_hz) * zero_phase(stage_2, band_hz, STAGE_1_HZ)
    stop_hz = np.linspace(STOP_HZ, STAGE_2_HZ / 2, 500)
    return Cascade(rate_hz, stage_1, stage_2, minimax(STAGE_3_TAPS, STAGE_2_HZ, stop_hz, (band_hz, droop)))


def design_band() -> dict[int, tuple[Array, Array]]:
    """The two stages that bring the chirps' band to 12 kHz, by input rate; the second one serves all rates."""
    stage_1 = {
        rate_hz: minimax(taps, rate_hz, image_bands(rate_hz, STAGE_1_HZ, BAND_PASS_HZ))
        for rate_hz, taps in BAND_STAGE_1_TAPS.items()
    }
    band_hz = np.linspace(0, BAND_PASS_HZ, 200)
    stop_hz = np.linspace(BAND_STOP_HZ, STAGE_1_HZ / 2, 300)
    droop = zero_phase(stage_1[192_000], band_hz, 192_000)
    stage_2 = minimax(BAND_STAGE_2_TAPS, STAGE_1_HZ, stop_hz, (band_hz, droop), BAND_RIPPLE_DB)
    return {rate_hz: (taps, stage_2) for rate_hz, taps in stage_1.items()}


def farrow_response(coefficients: Array, cycles_per_frame: Array, offset: Array) -> NDArray[np.complex128]:
    """Response [frequencies, offsets] of a Farrow filter measured at its centre; ideal is exp(-jw offset)."""
    order, taps = coefficients.shape
    position = np.arange(taps) - (taps - 1) / 2
    phase = np.exp(-2j * np.pi * np.outer(cycles_per_frame, position))
    powers = offset[:, None] ** np.arange(order)
    return phase @ (powers @ coefficients).T


def design_farrow() -> Array:
    """Coefficients [order + 1, taps]: tap j at offset u (frames, -0.5 to 0.5) is sum_k c[k, j] u^k."""
    cycles = np.linspace(0, FARROW_EDGE, 100)
    offset = np.linspace(-0.5, 0.5, 49)
    position = np.arange(FARROW_TAPS) - (FARROW_TAPS - 1) / 2
    phase = np.exp(-2j * np.pi * np.outer(cycles, position))
    powers = offset[:, None] ** np.arange(FARROW_ORDER + 1)
    model = np.einsum("fj,uk->fukj", phase, powers).reshape(len(cycles) * len(offset), -1)
    ideal = np.exp(-2j * np.pi * np.outer(cycles, offset)).ravel()
    weight = np.ones(len(ideal))
    best, best_error = np.zeros(0), np.inf
    for _ in range(15):
        scale = np.sqrt(np.r_[weight, weight])
        matrix = np.vstack([model.real, model.imag]) * scale[:, None]
        fit = np.linalg.lstsq(matrix, np.r_[ideal.real, ideal.imag] * scale, rcond=1e-13)[0]
        error = np.abs(model @ fit - ideal)
        if error.max() < best_error:
            best, best_error = fit, error.max()
        weight *= (error / error.max() + 0.02) ** 0.7
        weight /= weight.mean()
    return best.reshape(FARROW_ORDER + 1, FARROW_TAPS)


def design_phasor() -> tuple[Array, Array]:
    """Coefficients in x^2 of cos(2 pi x) and of sin(2 pi x) / x for x from -0.5 to 0.5, fitted at Chebyshev's nodes."""
    squared = 0.125 * (1 - np.cos(np.pi * (np.arange(200) + 0.5) / 200))
    x = np.sqrt(squared)
    powers = squared[:, None] ** np.arange(PHASOR_TERMS)
    cosine = np.linalg.lstsq(powers, np.cos(2 * np.pi * x), rcond=None)[0]
    sine = np.linalg.lstsq(powers, 2 * np.pi * np.sinc(2 * x), rcond=None)[0]
    return cosine, sine


def table(name: str, values: Array, comment: str) -> str:
    """One C array of floats, 6 to a line."""
    cells = [f"{value: .9e}F" for value in values.ravel()]
    lines = ["    " + ", ".join(cells[i : i + 6]) + "," for i in range(0, len(cells), 6)]
    size = "".join(f"[{n}]" for n in values.shape)
    body = "\n".join(lines)
    if values.ndim == 2:
        rows = ["    {" + ", ".join(f"{v: .9e}F" for v in row) + "}," for row in values]
        body = "\n".join(re.sub(r"((?:[^,]+,){5}) ", r"\1\n     ", row) for row in rows)
    return f"/* {comment} */\nstatic const float {name}{size} = {{\n{body}\n}};\n"


def half(taps: Array) -> Array:
    """The independent half of a symmetric filter, outermost tap first."""
    return taps[: len(taps) // 2 + len(taps) % 2]


def taps_h() -> str:
    """The text of taps.h."""
    parts = [
        "/* Written by tests/reference/design_filters.py; edit that file, not this one. */\n",
        "#ifndef PP_TAPS_H\n#define PP_TAPS_H\n",
        *(f"#define PP_STAGE_1_TAPS_{rate_hz // 1000}K {taps}" for rate_hz, taps in STAGE_1_TAPS.items()),
        f"#define PP_STAGE_2_TAPS {STAGE_2_TAPS}",
        f"#define PP_STAGE_3_TAPS {STAGE_3_TAPS}",
        f"#define PP_BAND_1_TAPS_192K {BAND_STAGE_1_TAPS[192_000]}",
        f"#define PP_BAND_1_TAPS_96K {BAND_STAGE_1_TAPS[96_000]}",
        f"#define PP_BAND_2_TAPS {BAND_STAGE_2_TAPS}",
        f"#define PP_FARROW_TAPS {FARROW_TAPS}",
        f"#define PP_FARROW_ORDER {FARROW_ORDER}",
        f"#define PP_PHASOR_TERMS {PHASOR_TERMS}\n",
        "/* Symmetric filters: the first half with the centre, outermost tap first. */\n",
    ]
    for rate_hz in STAGE_1_TAPS:
        cascade, name = design_cascade(rate_hz), f"{rate_hz // 1000}k"
        if rate_hz == max(STAGE_1_TAPS):
            parts.append(table("pp_stage_2", half(cascade.stage_2), "24 kHz to 4.8 kHz"))
        parts.append(table(f"pp_stage_1_{name}", half(cascade.stage_1), f"{rate_hz // 1000} kHz to 24 kHz"))
        parts.append(
            table(f"pp_stage_3_{name}", half(cascade.stage_3), "4.8 kHz to 2.4 kHz; equalises the stages before")
        )
    for rate_hz, (stage_1, stage_2) in design_band().items():
        if rate_hz == 192_000:
            parts.append(table("pp_band_2", half(stage_2), "chirps: 24 kHz to 12 kHz"))
        name = f"pp_band_1_{rate_hz // 1000}k"
        parts.append(table(name, half(stage_1), f"chirps: {rate_hz // 1000} kHz to 24 kHz"))
    parts.append(
        table(
            "pp_farrow", design_farrow(), "[power of the offset][tap]; offset in frames, -0.5 to 0.5, from the middle"
        )
    )
    for name, values in zip(("cosine", "sine"), design_phasor(), strict=True):
        parts.append(table(f"pp_{name}", values, f"{name} of a phase in turns, -0.5 to 0.5: powers of its square"))
    return "\n".join(parts) + "\n#endif\n"


def tables_in(text: str) -> dict[str, Array]:
    """The arrays of a taps.h, by name."""
    found = re.findall(r"static const float (\w+)((?:\[\d+\])+) = \{(.*?)\};", text, re.DOTALL)
    number = re.compile(r"-?\d\.\d+e[-+]\d+")
    return {
        name: np.array([float(v) for v in number.findall(body)]).reshape([int(n) for n in re.findall(r"\d+", size)])
        for name, size, body in found
    }


def unfold(first_half: Array, taps: int) -> Array:
    """The full symmetric filter of a half as in taps.h."""
    return np.concatenate([first_half, first_half[::-1][taps % 2 :]])


def committed_cascade(rate_hz: int) -> Cascade:
    """The cascade that the committed taps.h holds."""
    tables, name = tables_in(TAPS_H.read_text()), f"{rate_hz // 1000}k"
    return Cascade(
        rate_hz,
        unfold(tables[f"pp_stage_1_{name}"], STAGE_1_TAPS[rate_hz]),
        unfold(tables["pp_stage_2"], STAGE_2_TAPS),
        unfold(tables[f"pp_stage_3_{name}"], STAGE_3_TAPS),
    )


def committed_band(rate_hz: int) -> tuple[Array, Array]:
    """The two stages of the chirps' band that the committed taps.h holds."""
    tables = tables_in(TAPS_H.read_text())
    stage_1 = unfold(tables[f"pp_band_1_{rate_hz // 1000}k"], BAND_STAGE_1_TAPS[rate_hz])
    return stage_1, unfold(tables["pp_band_2"], BAND_STAGE_2_TAPS)


def main() -> int:
    parser = argparse.ArgumentParser(description="Design the filter tables of the C extension.")
    parser.add_argument("--check", action="store_true", help="compare with the committed tables and write nothing")
    text = taps_h()
    if not parser.parse_args().check:
        TAPS_H.write_text(text)
        return 0
    old, new = tables_in(TAPS_H.read_text()), tables_in(text)
    same = old.keys() == new.keys() and all(np.allclose(old[k], new[k], atol=1e-5, rtol=0) for k in new)
    print("taps.h is what the script gives" if same else "taps.h differs from what the script gives")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
