"""Recordings as an audio device: bit-exact reading, resampling, carriers, and every fault with its message."""

import json

import numpy as np
import pytest
import soundfile

from appliance.errors import SourceError
from appliance.hardware.riff import check_wav_is_whole
from appliance.hardware.wav import WavAudio

RATE_HZ = 192_000


def tone(frequency_hz=40_000.0, *, rate_hz=RATE_HZ, seconds=1.0, mics=1, amplitude=0.1):
    t_s = np.arange(round(rate_hz * seconds)) / rate_hz
    return amplitude * np.sin(2 * np.pi * frequency_hz * t_s)[:, np.newaxis] * np.ones(mics)


def noise(*, rate_hz=RATE_HZ, seconds=1.0, mics=1, amplitude=1e-3, seed=0):
    return amplitude * np.random.default_rng(seed).normal(size=(round(rate_hz * seconds), mics))


def save(path, samples, *, rate_hz=RATE_HZ, subtype="PCM_24", carrier_hz=None):
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    if carrier_hz is not None:
        path.with_suffix(".json").write_text(json.dumps({"carrier_hz": carrier_hz}))
    return path


def read_all(audio):
    blocks = []
    while (block := audio.read()) is not None:
        assert block.first_frame == sum(len(b.samples) for b in blocks)
        assert block.samples.dtype == np.int32
        assert block.samples.flags.c_contiguous
        blocks.append(block)
    assert audio.read() is None
    return np.concatenate([b.samples for b in blocks])


@pytest.mark.parametrize("rate_hz", [96_000, 192_000])
@pytest.mark.parametrize("mics", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "subtype", "bits"),
    [
        (".wav", "PCM_16", 16),
        (".wav", "PCM_24", 24),
        (".wav", "PCM_32", 32),
        (".flac", "PCM_16", 16),
        (".flac", "PCM_24", 24),
    ],
)
def test_integers_are_read_bit_exactly(tmp_path, suffix, subtype, bits, mics, rate_hz):
    low_bits = 32 - bits
    samples = np.random.default_rng(mics).integers(-(2**31), 2**31, (rate_hz, mics)).astype(np.int32)
    samples = samples >> low_bits << low_bits
    path = save(tmp_path / f"room{suffix}", samples, rate_hz=rate_hz, subtype=subtype)
    audio = WavAudio(path, carriers_hz=[40_000], block_frames=7001)
    assert (audio.rate_hz, audio.mics, audio.outputs, audio.carriers_hz) == (rate_hz, mics, 0, (40_000.0,))
    np.testing.assert_array_equal(read_all(audio), samples)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_are_scaled_and_clipped(tmp_path, subtype):
    samples = tone(mics=3, amplitude=0.5)
    samples[5] = [1.5, -1.5, 0.25]
    path = save(tmp_path / "room.wav", samples, subtype=subtype)
    got = read_all(WavAudio(path, carriers_hz=[40_000]))
    assert got[5].tolist() == [2**31 - 1, -(2**31), 2**29]
    np.testing.assert_allclose(got[6:] / 2.0**31, samples[6:], atol=2e-8)


def test_blocks_have_the_stated_length_and_the_last_the_rest(tmp_path):
    audio = WavAudio(save(tmp_path / "a.wav", noise(seconds=1.004)), carriers_hz=[40_000])
    lengths = []
    while (block := audio.read()) is not None:
        lengths.append(len(block.samples))
    assert lengths == [1920] * 100 + [768]
    assert audio.duration_s == pytest.approx(1.004)


@pytest.mark.parametrize("rate_hz", [176_400, 250_000, 352_800, 384_000])
def test_resampling_keeps_frequency_level_and_length(tmp_path, rate_hz):
    path = save(tmp_path / "a.wav", tone(40_000, rate_hz=rate_hz, seconds=1.5, mics=2), rate_hz=rate_hz)
    audio = WavAudio(path, carriers_hz=[40_000], block_frames=1000)
    got = read_all(audio) / 2.0**31
    assert audio.rate_hz == RATE_HZ
    assert len(got) == pytest.approx(1.5 * RATE_HZ, abs=1)
    middle = got[RATE_HZ // 4 : RATE_HZ // 4 + RATE_HZ, 0]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(RATE_HZ)))
    assert spectrum.argmax() == 40_000
    assert 20 * np.log10(np.sqrt(2 * np.mean(middle**2)) / 0.1) == pytest.approx(0.0, abs=0.1)
    clean = np.delete(spectrum, np.arange(39_990, 40_011)).max()
    assert 20 * np.log10(clean / spectrum.max()) < -100


def test_resampling_does_not_depend_on_the_block_length(tmp_path):
    path = save(tmp_path / "a.wav", noise(rate_hz=250_000), rate_hz=250_000)
    whole = read_all(WavAudio(path, carriers_hz=[40_000], block_frames=10**6))
    np.testing.assert_array_equal(read_all(WavAudio(path, carriers_hz=[40_000], block_frames=333)), whole)


@pytest.mark.parametrize(("told", "expected"), [(41_000, (41_000.0,)), ([40_000.5, 52_000], (40_000.5, 52_000.0))])
def test_carriers_come_from_the_file_beside(tmp_path, told, expected):
    path = save(tmp_path / "a.wav", noise(), carrier_hz=told)
    assert WavAudio(path).carriers_hz == expected
    assert WavAudio(path, carriers_hz=[33_000]).carriers_hz == (33_000.0,)


def test_a_file_beside_that_speaks_of_other_things_is_passed_over(tmp_path):
    path = save(tmp_path / "a.wav", tone() + noise())
    path.with_suffix(".json").write_text('{"rate_hz": 192000}')
    assert WavAudio(path).carriers_hz == pytest.approx((40_000,), abs=0.05)


@pytest.mark.parametrize("rate_hz", [96_000, 192_000, 250_000, 384_000])
@pytest.mark.parametrize("carrier_hz", [30_010.3, 40_123.456, 44_900.0])
def test_a_carrier_is_found_within_a_fraction_of_a_hertz(tmp_path, rate_hz, carrier_hz):
    samples = tone(carrier_hz, rate_hz=rate_hz, mics=2, amplitude=0.003) + noise(rate_hz=rate_hz, mics=2)
    audio = WavAudio(save(tmp_path / "a.wav", samples, rate_hz=rate_hz))
    assert audio.carriers_hz == (pytest.approx(carrier_hz, abs=0.05),)
    assert audio.read().first_frame == 0


def test_four_carriers_are_found_strongest_first_and_a_faint_line_is_not(tmp_path):
    parts = {40_000: 0.02, 33_000: 0.05, 52_000.7: 0.03, 61_000: 0.01, 70_000: 0.004}
    samples = noise() + sum(tone(hz, amplitude=a) for hz, a in parts.items())
    found = WavAudio(save(tmp_path / "a.wav", samples)).carriers_hz
    assert found == pytest.approx((33_000, 52_000.7, 40_000, 61_000), abs=0.05)


def test_a_moving_echo_beside_the_carrier_is_no_carrier(tmp_path):
    samples = tone(40_000) + tone(40_230, amplitude=0.02) + noise()
    assert WavAudio(save(tmp_path / "a.wav", samples)).carriers_hz == pytest.approx((40_000,), abs=1)


def bats(*, seconds=3.0):
    """Sweeps from 80 to 40 kHz with a flat tail, twelve a second."""
    samples = noise(seconds=seconds, seed=3)
    t_s = np.arange(960) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(40_000 + 40_000 * np.exp(-t_s * 2000)) / RATE_HZ
    for start in range(0, len(samples) - 960, 16_000):
        samples[start : start + 960, 0] += 0.3 * np.sin(phase) * np.hanning(960)
    return samples


def slow_sweep():
    t_s = np.arange(2 * RATE_HZ) / RATE_HZ
    return 0.1 * np.sin(2 * np.pi * (35_000 * t_s + 2_500 * t_s**2))[:, np.newaxis]


@pytest.mark.parametrize(
    "samples",
    [
        noise(),
        noise(seconds=4, mics=2, amplitude=0.2),
        np.zeros((RATE_HZ, 1)),
        tone(20_000),
        tone(29_000),
        bats(),
        slow_sweep() + noise(seconds=2),
        np.concatenate([tone(45_000, seconds=0.5), noise(seconds=1.5)]),
    ],
    ids=["hiss", "loud hiss", "silence", "audible tone", "below the band", "bats", "sweep", "a short beep"],
)
def test_what_is_not_a_steady_tone_is_no_carrier(tmp_path, samples):
    with pytest.raises(SourceError, match=r"no steady tone above 30 kHz found; give the carrier, or write"):
        WavAudio(save(tmp_path / "a.wav", samples))


def test_a_carrier_is_found_among_bats(tmp_path):
    samples = bats() + tone(41_500, seconds=3, amplitude=0.02)
    assert WavAudio(save(tmp_path / "a.wav", samples)).carriers_hz == pytest.approx((41_500,), abs=0.5)


@pytest.mark.parametrize(
    ("carriers_hz", "message"),
    [
        ([29_000], "outside 30000 to 45000"),
        ([45_100], "outside 30000 to 45000"),
        ([], "0 carriers; give 1 to 4"),
        ([40_000] * 5, "5 carriers"),
        ([float("nan")], "outside"),
    ],
)
def test_impossible_carriers_are_refused(tmp_path, carriers_hz, message):
    path = save(tmp_path / "a.wav", noise(rate_hz=96_000), rate_hz=96_000)
    with pytest.raises(SourceError, match=message):
        WavAudio(path, carriers_hz=carriers_hz)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{carrier", r"a\.json:1:2: not JSON"),
        ('{\n "carrier_hz": 4e4,\n}', r"a\.json:[23]:[0-9]+: not JSON"),
        ("[]", "not a JSON object"),
        ('{"carrier_hz": []}', "carrier_hz must be a number"),
        ('{"carrier_hz": [40000, null]}', "carrier_hz must be a number"),
        ('{"carrier_hz": true}', "carrier_hz must be a number"),
        ('{"carrier_hz": "40 kHz"}', "carrier_hz must be a number"),
        ('{"carrier_hz": NaN}', "carrier_hz must be a number"),
        ('{"carrier_hz": 20000}', "outside 30000 to 90000"),
        ("\udcff", "not readable"),
    ],
)
def test_a_bad_file_beside_is_named(tmp_path, text, message):
    path = save(tmp_path / "a.wav", noise())
    path.with_suffix(".json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SourceError, match=message) as caught:
        WavAudio(path)
    assert "\n" not in str(caught.value)


def test_missing_broken_and_empty_files_are_named(tmp_path):
    cases = {"folder": None, "empty.wav": b"", "junk.wav": b"hello" * 99, "half.flac": b"fLaC\0\0"}
    (tmp_path / "folder").mkdir()
    for name, content in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    for name, message in {
        "none.wav": "no such file",
        "folder": "not a file",
        "empty.wav": "empty file",
        "junk.wav": "not readable as WAV or FLAC",
        "half.flac": "not readable as WAV or FLAC",
    }.items():
        with pytest.raises(SourceError, match=message) as caught:
            WavAudio(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "subtype", "message"),
    [
        (np.zeros((0, 1)), RATE_HZ, "PCM_24", "no audio in it"),
        (noise(seconds=0.999), RATE_HZ, "PCM_24", "only 0.999 s long; at least 1 s"),
        (noise(mics=9), RATE_HZ, "PCM_24", "9 channels; keep at most 8"),
        (noise(rate_hz=48_000), 48_000, "PCM_24", "48000 Hz cannot carry our tones"),
        (noise(rate_hz=400_000), 400_000, "PCM_24", "400000 Hz cannot carry our tones"),
        (noise(), RATE_HZ, "ULAW", "WAV ULAW is not read here"),
        (noise(), RATE_HZ, "PCM_U8", "WAV PCM_U8 is not read here"),
    ],
)
def test_unfit_recordings_are_refused(tmp_path, samples, rate_hz, subtype, message):
    path = save(tmp_path / "a.wav", samples, rate_hz=rate_hz, subtype=subtype)
    with pytest.raises(SourceError, match=message):
        WavAudio(path, carriers_hz=[40_000])


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.001])
def test_a_truncated_wav_is_refused_at_once(tmp_path, keep):
    path = save(tmp_path / "a.wav", noise(seconds=2))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(SourceError, match="truncated"):
        WavAudio(path, carriers_hz=[40_000])


def test_a_wav_cut_within_its_header_is_refused(tmp_path):
    path = save(tmp_path / "a.wav", noise())
    path.write_bytes(path.read_bytes()[:36])
    with pytest.raises(SourceError):
        WavAudio(path, carriers_hz=[40_000])
    with pytest.raises(SourceError, match="truncated before its audio begins"):
        check_wav_is_whole(path)


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_a_damaged_flac_is_told_when_it_is_read(tmp_path, damage):
    path = save(tmp_path / "a.flac", noise(seconds=2))
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] if damage == "truncated" else whole[:half] + b"\x55" * 2000 + whole[half + 2000 :])
    audio = WavAudio(path, carriers_hz=[40_000])
    with pytest.raises(SourceError, match=r"a\.flac: (damaged near|ends at) \S+ s") as caught:
        read_all(audio)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_told_in_its_own_block(tmp_path, value):
    samples = tone(mics=2)
    samples[96_000, 1] = value
    audio = WavAudio(save(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert audio.carriers_hz == pytest.approx((40_000,), abs=0.5)
    for _ in range(50):
        audio.read()
    with pytest.raises(SourceError, match=r"not a number in frame 96000 \(0\.500 s\)"):
        audio.read()


def test_closing_twice_and_writing(tmp_path):
    audio = WavAudio(save(tmp_path / "a.wav", noise()), carriers_hz=[40_000])
    with pytest.raises(ValueError, match="has no outputs"):
        audio.write(np.zeros((1, 1), np.int32))
    audio.close()
    audio.close()
    assert audio.read() is None
