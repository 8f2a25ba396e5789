"""A damaged recording is told as such or read; nothing else ever comes out."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import SourceError
from appliance.hardware.riff import check_wav_is_whole
from appliance.hardware.wav import WavAudio


def recording(kind, subtype):
    t_s = np.arange(96_000) / 96_000
    file = io.BytesIO()
    soundfile.write(file, 0.1 * np.sin(2 * np.pi * 40_000 * t_s), 96_000, format=kind, subtype=subtype)
    return file.getvalue()


WHOLE = {
    (k, s): recording(k, s) for k, s in [("WAV", "PCM_24"), ("WAV", "FLOAT"), ("RF64", "PCM_16"), ("FLAC", "PCM_24")]
}


def read_some(path, carriers_hz):
    audio = WavAudio(path, block_frames=9600, carriers_hz=carriers_hz)
    for _ in range(50):
        if audio.read() is None:
            break
    audio.close()


def complaint(call, *arguments):
    """What `call` refuses its arguments with, or nothing."""
    try:
        call(*arguments)
    except SourceError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", list(WHOLE))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damage_anywhere_gives_one_line(kind, data):
    content = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(st.integers(0, 127), st.integers(0, len(content) - 1)))
        content[place] = data.draw(st.integers(0, 255))
    keep = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.wav")
        path.write_bytes(content[:keep])
        told = complaint(read_some, path, data.draw(st.sampled_from([None, [40_000]])))
    assert "\n" not in told
    assert not told or told.startswith(str(path))


@given(content=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_header_is_refused_or_passed(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.wav")
        path.write_bytes(b"RIFF\0\0\0\0WAVE" + content)
        told = complaint(check_wav_is_whole, path)
    assert not told or "truncated" in told
