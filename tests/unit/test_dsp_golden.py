"""The C core against vectors that SciPy made (tests/golden/make_dsp_vectors.py)."""

import pathlib

import numpy as np
import pytest

from appliance.dsp import _core
from appliance.dsp.downconvert import DownConverter
from appliance.types import PcmBlock

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("rate_hz", [384_000, 192_000, 96_000])
def test_baseband_is_what_scipy_gives(rate_hz):
    vectors = np.load(GOLDEN / f"dsp_downconvert_{rate_hz // 1000}k.npz")
    converter = DownConverter(rate_hz=rate_hz, mics=2, carriers_hz=vectors["carriers_hz"])
    decimation = rate_hz // 2400
    delay_frames = round(converter.group_delay_s * rate_hz)
    # SciPy's sample q describes frame q * decimation. Begin where ours describe such frames too.
    start = (delay_frames + 1) % decimation
    block = converter.process(PcmBlock(np.ascontiguousarray(vectors["pcm"][start:]), start, rate_hz))
    first, remainder = divmod(block.first_frame - delay_frames, decimation)
    assert remainder == 0
    settled = block.iq[:, :, 45:]
    wanted = vectors["iq"][:, :, first + 45 :][:, :, : settled.shape[2]]
    # Five tones of 0.02, each within 0.1 dB, and four of 0.15 that are 80 dB down.
    np.testing.assert_allclose(settled, wanted, atol=5 * 0.02 * (10**0.005 - 1) + 4 * 0.15 * 1e-4)


def test_fractional_delays_are_what_scipy_gives():
    vectors = np.load(GOLDEN / "dsp_delay.npz")
    for delay_frames, wanted in zip(vectors["delay_frames"], vectors["delayed"], strict=True):
        channel = _core.MultipathChannel(paths=1, mics=1, max_delay_frames=600)
        out = np.zeros((len(wanted), 1), np.float32)
        channel.process_into(vectors["signal"], np.full((2, 1, 1), delay_frames), np.ones((2, 1, 1), np.float32), out)
        assert 20 * np.log10(np.abs(out[:, 0] - wanted).max()) < -80
