"""The card's edge: bit-exact through the real ALSA library, and every fault through a PCM that has it."""

import errno
import os

import alsaaudio
import numpy as np
import pytest
from alsa_lab import CAPTURE, PLAYBACK, use_configuration

from appliance.errors import DeviceBusy, DeviceLost, DeviceNotFound, HardwareError, UnsupportedFormat
from appliance.hardware import alsa
from appliance.hardware.alsa import AlsaAudio, find_device, list_devices
from appliance.hardware.cards import CardInfo, DeviceChoice, PcmAbility, choose
from appliance.hardware.samples import SAMPLE_BYTES, from_wire, to_wire

SAMPLE_MASK = {"S32_LE": -1, "S24_3LE": -256}


def noise(frames, channels, sample_format="S32_LE", seed=0):
    samples = np.random.default_rng(seed).integers(-(2**31), 2**31, (frames, channels)).astype(np.int32)
    return samples & np.int32(SAMPLE_MASK[sample_format])


# The real library


@pytest.mark.parametrize("sample_format", ["S32_LE", "S24_3LE"])
@pytest.mark.parametrize("rate_hz", [96_000, 192_000])
@pytest.mark.parametrize("channels", range(1, 9))
def test_both_directions_are_bit_exact(tmp_path, monkeypatch, sample_format, rate_hz, channels):
    heard, played = (noise(rate_hz // 5, channels, sample_format, seed) for seed in (1, 2))
    (tmp_path / "rx.raw").write_bytes(to_wire(heard, sample_format=sample_format))
    use_configuration(
        monkeypatch,
        tmp_path,
        CAPTURE.format(name="lab_in", path=tmp_path / "rx.raw"),
        PLAYBACK.format(name="lab_out", path=tmp_path / "tx.raw"),
    )
    audio = AlsaAudio(
        "lab_in",
        playback="lab_out",
        rate_hz=rate_hz,
        mics=channels,
        outputs=channels,
        sample_formats=[sample_format],
    )
    blocks = []
    for number in range(20):
        blocks.append(audio.read())
        assert blocks[-1].first_frame == number * audio.block_frames
        assert blocks[-1].lost_frames_before == 0
        audio.write(played[number * audio.block_frames :][: audio.block_frames])
    audio.close()
    audio.close()
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks]), heard)
    got = from_wire((tmp_path / "tx.raw").read_bytes(), sample_format=sample_format, channels=channels)
    prefilled = 12 * audio.block_frames
    assert not got[:prefilled].any()
    np.testing.assert_array_equal(got[prefilled:], played)


def test_without_outputs_nothing_is_opened_for_playback(tmp_path, monkeypatch):
    heard = noise(1920, 4)
    (tmp_path / "rx.raw").write_bytes(to_wire(heard, sample_format="S32_LE"))
    use_configuration(monkeypatch, tmp_path, CAPTURE.format(name="lab_in", path=tmp_path / "rx.raw"))
    audio = AlsaAudio("lab_in", playback="no such thing", mics=4, outputs=0)
    np.testing.assert_array_equal(audio.read().samples, heard)
    with pytest.raises(ValueError, match="wanted"):
        audio.write(np.zeros((1920, 2), np.int32))
    audio.close()


def test_the_next_format_is_tried_and_a_refusal_names_both_sides(tmp_path, monkeypatch):
    use_configuration(
        monkeypatch,
        tmp_path,
        'pcm.floats { type lfloat slave { pcm "null" format S16_LE } }',
        'pcm.stereo { type multi slaves.a { pcm "null" channels 2 } bindings [ { slave a channel 0 }'
        " { slave a channel 1 } ] }",
    )
    with pytest.raises(UnsupportedFormat) as caught:
        AlsaAudio("floats", mics=4, outputs=0)
    assert str(caught.value) == (
        "floats (capture): wanted S32_LE or S24_3LE, 4 channels at 192000 Hz, buffer 80 ms, "
        "but the card offers FLOAT_LE, 4 channels at 192000 Hz, buffer 320 ms"
    )
    with pytest.raises(
        UnsupportedFormat, match=r"stereo \(capture\).* 4 channels .* but the card offers .* 2 channels"
    ):
        AlsaAudio("stereo", mics=4, outputs=0)


@pytest.mark.parametrize("device", ["nope", "hw:CARD=Gone"])
def test_a_missing_card_is_named_with_those_there(device):
    with pytest.raises(DeviceNotFound, match=f"{device}: no such sound card; "):
        AlsaAudio(device, mics=4)


def test_the_end_of_a_file_is_not_told_by_the_library(tmp_path, monkeypatch):
    # alsa-lib's file PCM gives full periods of stale samples behind the end: who replays files uses WavAudio.
    (tmp_path / "rx.raw").write_bytes(bytes(1920 * 16))
    use_configuration(monkeypatch, tmp_path, CAPTURE.format(name="lab_in", path=tmp_path / "rx.raw"))
    audio = AlsaAudio("lab_in", mics=4, outputs=0)
    assert [len(audio.read().samples) for _ in range(3)] == [1920] * 3
    audio.close()


def test_starting_anew_works_in_the_real_library(tmp_path, monkeypatch):
    heard = noise(3840, 4)
    (tmp_path / "rx.raw").write_bytes(to_wire(heard, sample_format="S32_LE"))
    use_configuration(
        monkeypatch,
        tmp_path,
        CAPTURE.format(name="lab_in", path=tmp_path / "rx.raw"),
        PLAYBACK.format(name="lab_out", path=tmp_path / "tx.raw"),
    )
    audio = AlsaAudio("lab_in", playback="lab_out", mics=4)
    first = audio.read()
    audio._restart()
    np.testing.assert_array_equal(np.concatenate([first.samples, audio.read().samples]), heard)
    audio.write(np.ones((1920, 2), np.int32))
    audio.close()


# A card with faults


class FakePcm:
    """The binding's PCM with a clock of its own: `script` holds what each read or write does, else it works.

    An entry is an errno to fail with, `-EPIPE` to report an overrun, or a number of frames to transfer.
    """

    def __init__(self, clock, *, script=(), buffer_frames=15_360, period_frames=None, seconds_lost=0.0, **settings):
        self.clock, self.script, self.settings = clock, list(script), settings
        self.seconds_lost = seconds_lost
        self.period_frames = period_frames or settings["periodsize"]
        self.buffer_frames = buffer_frames
        self.channels = settings["channels"]
        self.frame_bytes = self.channels * SAMPLE_BYTES[self._format_name()]
        self.rate_hz = settings["rate"]
        self.transferred = 0
        self.written = b""
        self.dropped = self.closed = 0
        self.disconnected = False
        self._null = os.open("/dev/null", os.O_RDWR)

    def _format_name(self):
        return {code: name for name, code in alsa._FORMAT_CODES.items()}[self.settings["format"]]

    def info(self):
        names = {"format_name": self._format_name(), "channels": self.channels, "rate": self.rate_hz}
        return names | {"buffer_size": self.buffer_frames}

    def polldescriptors(self):
        return [(self._null, 1)]

    def state(self):
        return alsaaudio.PCM_STATE_DISCONNECTED if self.disconnected else alsaaudio.PCM_STATE_RUNNING

    def avail(self):
        return 0 if self.settings["type"] == alsaaudio.PCM_CAPTURE else self.buffer_frames

    def drop(self):
        self.dropped += 1

    def close(self):
        self.closed += 1

    def _next(self, frames):
        planned = self.script.pop(0) if self.script else frames
        if planned == -errno.EPIPE:
            self.clock.now_s += self.seconds_lost
            return planned
        if planned < 0:
            self.clock.now_s += self.seconds_lost
            raise alsaaudio.ALSAAudioError(f"{os.strerror(-planned)} [{self.settings['device']}]")
        return min(planned, frames)

    def read(self):
        frames = self._next(self.period_frames)
        if frames <= 0:
            return frames, b""
        self.clock.now_s += frames / self.rate_hz
        samples = np.arange(self.transferred, self.transferred + frames, dtype=np.int32)
        self.transferred += frames
        wide = np.repeat(samples[:, np.newaxis] << 8, self.channels, axis=1)
        return frames, to_wire(wide, sample_format=self._format_name())

    def write(self, data):
        frames = self._next(len(data) // self.frame_bytes)
        if frames > 0:
            self.written += bytes(data[: frames * self.frame_bytes])
        return frames


class Clock:
    now_s = 1000.0

    def __call__(self):
        self.now_s += 1e-7
        return self.now_s


@pytest.fixture
def lab(monkeypatch):
    """Open an `AlsaAudio` on fake PCMs; gives the audio and both."""

    def open_audio(*, capture=None, playback=None, **kwargs):
        clock, pcms = Clock(), {}

        def make(**settings):
            direction = settings["type"]
            faults = capture if direction == alsaaudio.PCM_CAPTURE else playback
            pcms[direction] = FakePcm(clock, **settings, **(faults or {}))
            return pcms[direction]

        monkeypatch.setattr(alsaaudio, "PCM", make)
        audio = AlsaAudio("hw:CARD=Fake", **({"mics": 2, "monotonic_s": clock, "stall_s": 0.05} | kwargs))
        return audio, pcms[alsaaudio.PCM_CAPTURE], pcms.get(alsaaudio.PCM_PLAYBACK)

    return open_audio


def positions(block):
    """The card's own frame numbers, which the fake writes into its samples."""
    return block.samples[:, 0] >> 8


@pytest.mark.parametrize("fault", [-errno.EPIPE, -errno.ESTRPIPE])
def test_an_overrun_or_a_suspension_is_recovered_and_counted(lab, fault):
    audio, capture, playback = lab(capture={"script": [1920, 1920, fault], "seconds_lost": 0.25})
    first, second, third = audio.read(), audio.read(), audio.read()
    assert (first.lost_frames_before, second.lost_frames_before) == (0, 0)
    assert third.lost_frames_before == pytest.approx(0.25 * 192_000, abs=2)
    assert third.first_frame == 3840 + third.lost_frames_before
    assert positions(third)[0] == 3840
    assert audio.read().lost_frames_before == 0
    assert (capture.dropped, playback.dropped) == (1, 1)
    assert len(playback.written) == 2 * 4 * 1920 * 8  # the silence in hand, twice


def test_a_gap_lies_between_blocks(lab):
    audio, _, _ = lab(capture={"script": [1000, -errno.EPIPE], "seconds_lost": 0.1})
    short, late = audio.read(), audio.read()
    assert (len(short.samples), len(late.samples)) == (1000, 1920)
    assert late.lost_frames_before == pytest.approx(19_200, abs=2)
    assert late.first_frame == 1000 + late.lost_frames_before


def test_an_underrun_restarts_both_directions(lab):
    audio, capture, playback = lab(playback={"script": [7680, 1920, -errno.EPIPE], "seconds_lost": 0.02})
    ones = np.ones((1920, 2), np.int32)
    for _ in range(2):
        audio.read()
        audio.write(ones)
    assert (capture.dropped, playback.dropped) == (1, 1)
    block = audio.read()
    assert block.lost_frames_before == pytest.approx(0.02 * 192_000, abs=2)
    audio.write(2 * ones)
    played = from_wire(playback.written, sample_format="S32_LE", channels=2)[:, 0]
    expected = np.repeat([0, 1, 0, 2], [7680, 1920, 7680, 1920])
    np.testing.assert_array_equal(played, expected)


def test_a_card_with_periods_of_its_own_gives_blocks_of_ours(lab):
    audio, _, _ = lab(capture={"period_frames": 2048}, outputs=0)
    blocks = [audio.read() for _ in range(20)]
    assert {len(block.samples) for block in blocks} == {1920}
    np.testing.assert_array_equal(np.concatenate([positions(b) for b in blocks]), np.arange(20 * 1920))


def test_an_underrun_does_not_join_what_lies_before_and_behind_it(lab):
    audio, _, _ = lab(capture={"period_frames": 2048}, playback={"script": [7680, -errno.EPIPE], "seconds_lost": 0.1})
    audio.read()
    audio.write(np.zeros((1920, 2), np.int32))
    short, late = audio.read(), audio.read()
    np.testing.assert_array_equal(positions(short), np.arange(1920, 2048))
    assert late.lost_frames_before == pytest.approx(19_200, abs=2)
    assert late.first_frame == 2048 + late.lost_frames_before


def test_a_card_that_was_suspended_starts_anew_with_nothing_lost(lab):
    audio, capture, playback = lab(capture={"period_frames": 2048})
    audio.read()
    audio.write(np.ones((1920, 2), np.int32))
    audio.suspend()
    assert (capture.dropped, playback.dropped) == (1, 1)
    capture.clock.now_s += 3600.0
    after = audio.read()
    assert (after.first_frame, after.lost_frames_before) == (1920, 0)
    assert positions(after)[0] == 2048, "what the card held before is not heard behind it"
    assert len(playback.written) == (2 * 4 + 1) * 1920 * 8, "the silence in hand, again"
    audio.suspend()
    audio.close()


def test_a_card_that_goes_away_while_it_is_suspended_is_lost(lab):
    audio, _, playback = lab()
    audio.read()
    audio.suspend()
    playback.script.append(-errno.ENODEV)
    with pytest.raises(DeviceLost, match="playing"):
        audio.read()


def test_a_small_buffer_will_do_and_a_smaller_one_is_refused(lab):
    audio, _, _ = lab(capture={"buffer_frames": 4 * 1920}, outputs=0)
    assert len(audio.read().samples) == 1920
    with pytest.raises(UnsupportedFormat, match="buffer 30 ms"):
        lab(capture={"buffer_frames": 3 * 1920}, outputs=0)


def test_nothing_is_played_before_the_first_read(lab):
    audio, _, playback = lab()
    assert not playback.written
    audio.read()
    assert len(playback.written) == 4 * 1920 * 8


def test_short_reads_and_writes_are_completed(lab):
    audio, _, playback = lab(
        capture={"script": [700, 0, 700, 1000, 1, 1440]}, playback={"script": [7680, 100, 0, 1000, 820]}
    )
    blocks = [audio.read() for _ in range(2)]
    np.testing.assert_array_equal(np.concatenate([positions(b) for b in blocks]), np.arange(3840))
    samples = noise(1920, 2)
    audio.write(samples)
    got = from_wire(playback.written, sample_format="S32_LE", channels=2)
    np.testing.assert_array_equal(got[7680:], samples)


@pytest.mark.parametrize("fault", [errno.EINTR, errno.EAGAIN])
def test_an_interrupted_call_is_made_again(lab, fault):
    audio, _, _ = lab(capture={"script": [-fault]})
    assert audio.read().lost_frames_before == 0


@pytest.mark.parametrize("fault", [errno.ENODEV, errno.EBADFD, errno.EIO, errno.ENXIO])
def test_a_card_that_went_away_is_lost(lab, fault):
    audio, capture, _ = lab(capture={"script": [1920, -fault]})
    audio.read()
    with pytest.raises(DeviceLost, match=rf"hw:CARD=Fake: lost while recording: {os.strerror(fault)}; check its plug"):
        audio.read()
    audio.close()
    assert capture.closed == 1
    audio, _, playback = lab(playback={"script": [7680, -fault]})
    audio.read()
    with pytest.raises(DeviceLost, match="lost while playing"):
        audio.write(np.zeros((1920, 2), np.int32))
    audio.close()
    assert playback.closed == 1


def test_a_card_without_frames_is_lost_in_time(lab):
    stalled = [0] * 100_000
    audio, capture, _ = lab(capture={"script": stalled}, monotonic_s=alsa.time.monotonic)
    with pytest.raises(DeviceLost, match=r"no frames for 0\.05 s"):
        audio.read()
    capture.disconnected = True
    with pytest.raises(DeviceLost, match="disconnected"):
        audio.read()
    audio, _, _ = lab(playback={"script": [7680, *stalled]}, monotonic_s=alsa.time.monotonic)
    audio.read()
    with pytest.raises(DeviceLost, match="lost while playing: no frames"):
        audio.write(np.zeros((1920, 2), np.int32))


def test_overruns_without_end_are_a_loss(lab):
    audio, _, _ = lab(capture={"script": [-errno.EPIPE] * 100, "seconds_lost": 0.01})
    with pytest.raises(DeviceLost, match="again and again"):
        audio.read()
    audio, _, _ = lab(playback={"script": [-errno.EPIPE] * 100})
    with pytest.raises(DeviceLost, match="does not start"):
        audio.read()


def test_the_second_format_is_taken_where_the_first_is_not_granted(lab, monkeypatch):
    real_info = FakePcm.info

    def info(pcm):
        granted = real_info(pcm)
        return granted | {"format_name": "S24_3LE"}

    monkeypatch.setattr(FakePcm, "info", info)
    audio, _, _ = lab()
    np.testing.assert_array_equal(positions(audio.read()), np.arange(1920))


@pytest.mark.parametrize(
    ("granted", "offered"),
    [
        ({"rate": 48_000}, "2 channels at 48000 Hz"),
        ({"channels": 1}, "1 channel at 192000 Hz"),
        ({"buffer_size": 4096}, "buffer 21 ms"),
    ],
)
def test_what_is_granted_is_checked(lab, monkeypatch, granted, offered):
    real_info = FakePcm.info
    monkeypatch.setattr(FakePcm, "info", lambda pcm: real_info(pcm) | granted)
    with pytest.raises(UnsupportedFormat, match=f"but the card offers .*{offered}"):
        lab(outputs=0)


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (errno.ENODEV, DeviceNotFound, "no card is there"),
        (errno.EBUSY, DeviceBusy, "held by another program; stop it"),
        (errno.EINVAL, UnsupportedFormat, "offers no such combination"),
        (errno.EACCES, HardwareError, "Permission denied; add this user to the group audio"),
        (errno.EIO, HardwareError, "Input/output error; check its plug"),
    ],
)
def test_a_card_that_cannot_be_opened(monkeypatch, code, error, message):
    def refuse(**settings):
        raise alsaaudio.ALSAAudioError(f"{os.strerror(code)} [{settings['device']}]")

    monkeypatch.setattr(alsaaudio, "PCM", refuse)
    monkeypatch.setattr(alsaaudio, "cards", list)
    monkeypatch.setattr(alsaaudio, "card_indexes", list)
    with pytest.raises(error, match=message) as caught:
        AlsaAudio("hw:CARD=X", mics=2)
    assert str(caught.value).startswith("hw:CARD=X")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"rate_hz": 48_000},
        {"mics": 0},
        {"mics": 9},
        {"outputs": -1},
        {"outputs": 9},
        {"block_ms": 0.1},
        {"periods": 4},
        {"sample_formats": []},
        {"sample_formats": ["S16_LE"]},
    ],
)
def test_arguments_out_of_range(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        AlsaAudio("lab", **({"mics": 4} | arguments))


# Which card


def card(name, *, capture_hz=(), mics=(2,), playback_hz=(), outputs=(2,), formats=("S32_LE",), busy=False):
    def ability(rates_hz, channels):
        return PcmAbility(tuple(rates_hz), tuple(channels), tuple(formats)) if rates_hz else None

    return CardInfo(f"hw:CARD={name}", f"The {name}", ability(capture_hz, mics), ability(playback_hz, outputs), busy)


BOTH = (192_000, 96_000)
ARRAY = card("Array", capture_hz=BOTH, mics=(4, 8), playback_hz=BOTH)
PAIR = card("Pair", capture_hz=BOTH, mics=(2,), playback_hz=BOTH)
SLOW = card("Slow", capture_hz=(96_000,), mics=(8, 16), playback_hz=(96_000,))
MICS = card("Mics", capture_hz=BOTH, mics=(8,))
PLAYER = card("Player", playback_hz=BOTH, outputs=(2, 6))
HDMI = card("HDMI", playback_hz=(192_000,), formats=("IEC958_SUBFRAME_LE",))


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ([PAIR, ARRAY], DeviceChoice("hw:CARD=Array", "hw:CARD=Array", 192_000, 8, 2)),
        ([SLOW, PAIR], DeviceChoice("hw:CARD=Pair", "hw:CARD=Pair", 192_000, 2, 2)),
        ([SLOW, HDMI], DeviceChoice("hw:CARD=Slow", "hw:CARD=Slow", 96_000, 8, 2)),
        ([HDMI, MICS, PLAYER], DeviceChoice("hw:CARD=Mics", "hw:CARD=Player", 192_000, 8, 2)),
        ([MICS, PAIR], DeviceChoice("hw:CARD=Pair", "hw:CARD=Pair", 192_000, 2, 2)),
    ],
    ids=["most microphones", "192 kHz first", "never HDMI", "two cards", "one clock before more microphones"],
)
def test_auto_takes_the_card_that_can_do_most(cards, expected):
    assert choose(cards) == expected


def test_what_the_owner_names_is_taken():
    assert choose([ARRAY, PAIR], "hw:CARD=Pair").capture == "hw:CARD=Pair"
    assert choose([ARRAY], rate_hz=96_000).rate_hz == 96_000
    assert choose([ARRAY], mics=4).mics == 4
    assert choose([MICS], outputs=0) == DeviceChoice("hw:CARD=Mics", None, 192_000, 8, 0)
    assert choose([ARRAY, PLAYER], "hw:CARD=Array", playback="hw:CARD=Player", outputs=6).outputs == 6


def test_a_pcm_of_the_configuration_is_believed():
    expected = DeviceChoice("lab_in", "lab_out", 192_000, 4, 2)
    assert choose([], "lab_in", playback="lab_out", mics=4) == expected
    assert choose([], "lab_in", mics=1, outputs=0, rate_hz=96_000) == DeviceChoice("lab_in", None, 96_000, 1, 0)


@pytest.mark.parametrize(
    ("cards", "arguments", "error", "message"),
    [
        ([], {}, DeviceNotFound, "auto: no such sound card; no card is there: plug one in"),
        ([PAIR], {"device": "hw:CARD=X"}, DeviceNotFound, r"hw:CARD=X: no such .*there are hw:CARD=Pair \(The Pair\)"),
        ([PAIR], {"playback": "hw:CARD=X"}, DeviceNotFound, "hw:CARD=X: no such"),
        (
            [SLOW],
            {"rate_hz": 192_000},
            DeviceNotFound,
            "records at 192000 Hz and plays 2 channels; there are hw:CARD=Slow",
        ),
        ([MICS], {}, DeviceNotFound, "records at 192000 or 96000 Hz and plays 2 channels"),
        ([ARRAY], {"mics": 3, "outputs": 0}, DeviceNotFound, "no sound card records 3 channels at"),
        ([ARRAY], {"device": "lab_in"}, HardwareError, "lab_in: not a card's own name"),
        ([HDMI], {"outputs": 0}, DeviceNotFound, "records at 192000 or 96000 Hz; there are"),
        ([card("Held", busy=True)], {}, DeviceBusy, "auto: held by another program"),
    ],
)
def test_no_card_fits(cards, arguments, error, message):
    with pytest.raises(error, match=message):
        choose(cards, **arguments)


def test_cards_are_listed_by_their_stable_names(monkeypatch):
    class Pcm:
        def __init__(self, **settings):
            if settings["device"] == "hw:CARD=Held":
                raise alsaaudio.ALSAAudioError("Device or resource busy [hw:CARD=Held]")
            if settings["device"] == "hw:CARD=Mic" and settings["type"] == alsaaudio.PCM_PLAYBACK:
                raise alsaaudio.ALSAAudioError("No such file or directory [hw:CARD=Mic]")
            self.device = settings["device"]

        def getrates(self):
            return {"hw:CARD=Mic": 192_000, "hw:CARD=Range": (8_000, 100_000)}.get(self.device, [48_000, 96_000])

        def getchannels(self):
            return [1, 2]

        def getformats(self):
            return {"S32_LE": 10}

        def close(self):
            pass

    monkeypatch.setattr(alsaaudio, "PCM", Pcm)
    monkeypatch.setattr(alsaaudio, "cards", lambda: ["Mic", "Range", "List", "Held"])
    monkeypatch.setattr(alsaaudio, "card_indexes", lambda: [0, 1, 2, 5])
    monkeypatch.setattr(alsaaudio, "card_name", lambda index: (f"Name {index}", "long"))
    slow = PcmAbility((96_000,), (1, 2), ("S32_LE",))
    assert list_devices() == [
        CardInfo("hw:CARD=Mic", "Name 0", PcmAbility((192_000,), (1, 2), ("S32_LE",)), None),
        CardInfo("hw:CARD=Range", "Name 1", slow, slow),
        CardInfo("hw:CARD=List", "Name 2", slow, slow),
        CardInfo("hw:CARD=Held", "Name 5", None, None, busy=True),
    ]
    assert find_device() == DeviceChoice("hw:CARD=Range", "hw:CARD=Range", 96_000, 2, 2)
    monkeypatch.setattr(alsaaudio, "cards", lambda: (_ for _ in ()).throw(alsaaudio.ALSAAudioError("no control")))
    with pytest.raises(HardwareError, match="cannot list its cards"):
        list_devices()
