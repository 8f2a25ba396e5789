"""What every `Audio` promises, whatever stands behind it."""

import numpy as np
import pytest
import soundfile
from alsa_lab import CAPTURE, PLAYBACK, use_configuration

from appliance.hardware.alsa import AlsaAudio
from appliance.hardware.samples import to_wire
from appliance.hardware.wav import WavAudio
from appliance.ports import Audio

SAMPLES = np.random.default_rng(0).integers(-(2**31), 2**31, (96_000, 4)).astype(np.int32)


def card(folder, monkeypatch) -> Audio:
    (folder / "rx.raw").write_bytes(to_wire(SAMPLES, sample_format="S32_LE"))
    use_configuration(
        monkeypatch,
        folder,
        CAPTURE.format(name="lab_in", path=folder / "rx.raw"),
        PLAYBACK.format(name="lab_out", path=folder / "tx.raw"),
    )
    return AlsaAudio("lab_in", playback="lab_out", rate_hz=96_000, mics=4)


def recording(folder, monkeypatch) -> Audio:
    soundfile.write(folder / "a.wav", SAMPLES, 96_000, subtype="PCM_32")
    return WavAudio(folder / "a.wav", carriers_hz=[40_000])


@pytest.mark.parametrize("make", [card, recording])
def test_blocks_follow_each_other_on_one_clock(tmp_path, monkeypatch, make):
    audio = make(tmp_path, monkeypatch)
    assert audio.name
    assert (audio.rate_hz, audio.mics) == (96_000, 4)
    next_frame = 0
    for _ in range(50):
        block = audio.read()
        assert block is not None
        assert block.samples.dtype == np.int32
        assert block.samples.flags.c_contiguous
        assert block.samples.shape[1] == audio.mics
        assert block.rate_hz == audio.rate_hz
        assert block.first_frame == next_frame + block.lost_frames_before
        np.testing.assert_array_equal(block.samples, SAMPLES[block.first_frame :][: len(block.samples)])
        next_frame = block.first_frame + len(block.samples)
        if audio.outputs:
            audio.write(np.zeros((len(block.samples), audio.outputs), np.int32))
    audio.close()
    audio.close()


@pytest.mark.parametrize("make", [card, recording])
def test_what_does_not_fit_the_outputs_is_refused(tmp_path, monkeypatch, make):
    audio = make(tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=audio.name):
        audio.write(np.zeros((960, audio.outputs + 1), np.int32))
    audio.close()
