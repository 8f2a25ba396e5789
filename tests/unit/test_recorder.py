"""Recordings to keep: bit-exact where nothing is filtered, free of speech where it is, readable when killed."""

import errno
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import soundfile

from appliance.errors import SourceError
from appliance.hardware.recorder import PcmRecorder
from appliance.hardware.riff import HEADER_BYTES, check_wav_is_whole, wav_header
from appliance.hardware.wav import WavAudio
from appliance.types import PcmBlock


def blocks_of(samples, *, rate_hz, length=1920):
    for start in range(0, len(samples), length):
        yield PcmBlock(samples[start : start + length], start, rate_hz)


def record(path, samples, *, rate_hz=192_000, length=1920, **kwargs):
    with PcmRecorder(path, rate_hz=rate_hz, mics=samples.shape[1], **kwargs) as recorder:
        for block in blocks_of(samples, rate_hz=rate_hz, length=length):
            recorder.write(block)
    return path


def read_all(path):
    audio, blocks = WavAudio(path), []
    while (block := audio.read()) is not None:
        blocks.append(block.samples)
    return np.concatenate(blocks)


@pytest.mark.parametrize("rate_hz", [96_000, 192_000])
@pytest.mark.parametrize("mics", [1, 2, 3, 8])
@pytest.mark.parametrize(("suffix", "bits"), [(".wav", 24), (".wav", 32), (".flac", 24)])
def test_everything_kept_is_bit_exact(tmp_path, suffix, bits, mics, rate_hz):
    samples = np.random.default_rng(mics).integers(-(2**31), 2**31, (rate_hz + 1, mics)).astype(np.int32)
    samples = samples >> (32 - bits) << (32 - bits)
    path = record(
        tmp_path / f"a{suffix}",
        samples,
        rate_hz=rate_hz,
        bits=bits,
        carriers_hz=[40_000],
        keep_audible=True,
        length=777,
    )
    assert soundfile.info(path).subtype == f"PCM_{bits}"
    np.testing.assert_array_equal(read_all(path), samples)


def test_circumstances_are_written_beside(tmp_path):
    samples = np.zeros((192_000, 2), np.int32)
    path = record(tmp_path / "a.wav", samples, carriers_hz=[40_000.5, 52_000])
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "carrier_hz": [40_000.5, 52_000],
        "rate_hz": 192_000,
        "mics": 2,
        "band_hz": [28_000, 96_000],
    }
    assert WavAudio(path).carriers_hz == (40_000.5, 52_000.0)
    record(tmp_path / "b.wav", samples, keep_audible=True)
    assert json.loads((tmp_path / "b.json").read_text()) == {"rate_hz": 192_000, "mics": 2, "band_hz": [0, 96_000]}


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("length", [50, 1920, 50_000])
def test_speech_is_gone_and_the_tone_stands_where_it_stood(tmp_path, suffix, length):
    t_s = np.arange(192_000) / 192_000
    ultrasound = 2e8 * np.sin(2 * np.pi * 40_000 * t_s)[:, np.newaxis]
    speech = sum(2e8 * np.sin(2 * np.pi * hz * t_s) for hz in (100, 1_000, 8_000))[:, np.newaxis]
    path = record(tmp_path / f"a{suffix}", (ultrasound + speech).astype(np.int32), carriers_hz=[40_000], length=length)
    got = read_all(path)
    assert len(got) == 192_000
    middle = slice(1000, -1000)
    assert np.abs(got[middle] - ultrasound[middle]).max() < 2e8 * 2e-3
    spectrum = np.abs(np.fft.rfft(got[:, 0] * np.hanning(192_000)))
    assert 20 * np.log10(spectrum[:20_000].max() / spectrum.max()) < -80


def test_full_scale_is_clipped_and_never_wraps(tmp_path):
    samples = np.full((192_000, 1), 2**31 - 1, np.int32)
    samples[::2] = -(2**31)
    kept = read_all(record(tmp_path / "a.wav", samples, carriers_hz=[40_000], keep_audible=True))
    assert set(np.unique(kept)) == {-(2**31), 2**31 - 256}
    filtered = read_all(record(tmp_path / "b.wav", samples, carriers_hz=[40_000]))
    assert (filtered[1000:-1000:2] < -(2**30)).all()
    assert (filtered[1001:-1000:2] > 2**30).all()


def test_lost_frames_become_silence(tmp_path):
    ones = np.full((96_000, 1), 256, np.int32)
    with PcmRecorder(tmp_path / "a.wav", rate_hz=96_000, mics=1, carriers_hz=[40_000], keep_audible=True) as recorder:
        recorder.write(PcmBlock(ones, 500, 96_000, lost_frames_before=500))
        recorder.write(PcmBlock(ones, 296_500, 96_000, lost_frames_before=200_000))
    got = read_all(tmp_path / "a.wav")
    assert len(got) == 2 * 96_000 + 200_000
    assert not got[96_000:296_000].any()
    assert (got[296_000:] == 256).all()


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_killed_recording_is_readable(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    script = """
        import os, signal, sys
        import numpy as np
        from appliance.hardware.recorder import PcmRecorder
        from appliance.types import PcmBlock
        recorder = PcmRecorder(sys.argv[1], rate_hz=192_000, mics=3, carriers_hz=[40_000], keep_audible=True)
        samples = np.random.default_rng(0).integers(-2**23, 2**23, (3 * 192_000, 3)).astype(np.int32) * 256
        for start in range(0, int(2.5 * 192_000), 1920):
            recorder.write(PcmBlock(samples[start : start + 1920], start, 192_000))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(path)], check=False)
    assert done.returncode == -9
    got = read_all(path)
    expected = np.random.default_rng(0).integers(-(2**23), 2**23, (3 * 192_000, 3)).astype(np.int32) * 256
    assert len(got) >= 1.9 * 192_000
    np.testing.assert_array_equal(got, expected[: len(got)])


def test_a_header_beyond_four_gibibytes_is_rf64(tmp_path):
    frames = 1_000_000_000
    path = tmp_path / "large.wav"
    with path.open("wb") as file:  # a sparse file: it takes no room
        file.write(wav_header(rate_hz=192_000, channels=2, sample_bytes=3, frames=frames))
        file.truncate(HEADER_BYTES + frames * 6)
    info = soundfile.info(path)
    assert (info.format, info.frames, info.subtype) == ("RF64", frames, "PCM_24")
    check_wav_is_whole(path)
    with path.open("r+b") as file:
        file.truncate(HEADER_BYTES + frames * 5)
    with pytest.raises(SourceError, match="truncated"):
        check_wav_is_whole(path)


@pytest.mark.parametrize(("name", "bits"), [("a.mp3", 24), ("a", 24), ("a.flac", 32), ("a.wav", 16)])
def test_other_kinds_are_refused(tmp_path, name, bits):
    with pytest.raises(SourceError, match="cannot be recorded here"):
        PcmRecorder(tmp_path / name, rate_hz=192_000, mics=1, bits=bits)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".json"])
def test_nothing_is_overwritten(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_text("mine")
    name = "a.wav" if suffix == ".json" else f"a{suffix}"
    with pytest.raises(SourceError, match="exists already"):
        PcmRecorder(tmp_path / name, rate_hz=192_000, mics=1)
    assert (tmp_path / f"a{suffix}").read_text() == "mine"


def test_a_missing_folder_and_a_full_disk_are_told(tmp_path):
    with pytest.raises(SourceError, match="cannot be written"):
        PcmRecorder(tmp_path / "none" / "a.wav", rate_hz=192_000, mics=1)
    recorder = PcmRecorder(tmp_path / "a.wav", rate_hz=192_000, mics=1)

    def full(samples):
        raise OSError(errno.ENOSPC, "No space left on device")

    recorder._sink.write = full
    with pytest.raises(SourceError, match="No space left on device"):
        recorder.write(PcmBlock(np.zeros((1920, 1), np.int32), 0, 192_000))
    with pytest.raises(SourceError, match="No space left on device"):
        recorder.close()
    recorder.close()


def test_a_block_of_another_stream_is_refused(tmp_path):
    with PcmRecorder(tmp_path / "a.wav", rate_hz=192_000, mics=2) as recorder:
        for samples, rate_hz in ((np.zeros((10, 1), np.int32), 192_000), (np.zeros((10, 2), np.int32), 96_000)):
            with pytest.raises(ValueError, match="wanted 2 microphones at 192000 Hz"):
                recorder.write(PcmBlock(samples, 0, rate_hz))
