"""Music and speech beside the tones: the tones stay as they are to the last bit, and nothing clips or clicks."""

import asyncio
import shutil
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from support.audio import DEADLINE_S
from support.sounds import loud_music, sends, server, sine, until, written

from appliance.dsp.downconvert import DownConverter
from appliance.emission.player import EmissionPlayer
from appliance.errors import RoutineError, SourceError
from appliance.hardware import mixer as mixer_module
from appliance.hardware.mixer import MAX_WAITING, Mixer
from appliance.types import Chirps, Emission, PcmBlock, Tones

RATE_HZ = 192_000
FRAMES = 1920
FULL_SCALE = 2.0**31
CAP = 10.0 ** (-10.0 / 20.0)
PEAK = 1.0 - CAP
LOUDEST = Emission(tones=Tones((40_000.0,), level_db_spl=80.0))
CHIRPS = Chirps(41_000.0, 46_000.0, pulse_s=0.005, fade_s=0.001, pulses_hz=20.0, level_db_spl=76.0)
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


class Desk:
    """The audio thread, by hand: each `run` mixes what is decoded, without waiting for a clock."""

    def __init__(self, *, outputs=(0,), channels=1, peak=PEAK, tones=None):
        self.mixer = Mixer(rate_hz=RATE_HZ, outputs=outputs, peak=peak)
        self.tones = tones
        self.channels = channels
        self.frame = 0
        self.beneath, self.mixed = [], []

    def block(self):
        frames = np.zeros((FRAMES, self.channels), np.int32)
        if self.tones is not None:
            frames = self.tones.process(FRAMES, first_frame=self.frame)
        self.beneath.append(frames.copy())
        self.mixer.add_to(frames)
        self.mixed.append(frames)
        self.frame += FRAMES
        return frames

    async def run(self, seconds, *, ready=True):
        """Mix so long; as long as sounds are decoded they are waited for, as a card's clock would."""
        for _ in range(round(seconds * RATE_HZ / FRAMES)):
            if ready:
                await self.decoded()
            self.block()
            await asyncio.sleep(0)

    async def until(self, task, seconds=20.0):
        for _ in range(round(seconds * RATE_HZ / FRAMES)):
            if task.done():
                return
            await self.run(FRAMES / RATE_HZ)
        raise AssertionError("it did not end")

    async def decoded(self):
        tracks = [*list(self.mixer._music)[:1], *list(self.mixer._speech)[:1]]
        await asyncio.to_thread(until, lambda: all(track.ready or track._released for track in tracks))

    @property
    def heard(self):
        """Float64 [frames, channels] of what was added to the tones, of full scale."""
        mixed, beneath = np.concatenate(self.mixed), np.concatenate(self.beneath)
        return (mixed.astype(np.int64) - beneath) / FULL_SCALE

    @property
    def all(self):
        """int64, so that a sum that wrapped is seen."""
        return np.concatenate(self.mixed).astype(np.int64)


def emission(wanted=LOUDEST, outputs=1, tone_outputs=None):
    player = EmissionPlayer(
        rate_hz=RATE_HZ, outputs=outputs, tone_outputs=tone_outputs, fade_s=0.05, full_scale_db_spl=90.0
    )
    player.follow(wanted)
    return player


def do(desk, work):
    async def bounded():
        async with asyncio.timeout(3 * DEADLINE_S):
            await work(desk)

    asyncio.run(bounded())
    desk.mixer.close()


def level(wave):
    return np.sqrt(np.mean(np.square(wave)))


# The tones beside it


def iq_of(samples):
    converter = DownConverter(rate_hz=RATE_HZ, mics=1, carriers_hz=(40_000.0,))
    return converter.process(PcmBlock(np.ascontiguousarray(samples, np.int32), 0, RATE_HZ)).iq[0, 0]


def test_the_tone_keeps_amplitude_and_phase_while_loud_music_comes_and_goes(tmp_path):
    music = written(tmp_path / "music.wav", loud_music(seconds=3.0, channels=1))
    desk = Desk(tones=emission())

    async def work(desk):
        await desk.run(0.3)
        first = asyncio.create_task(desk.mixer.play(str(music), level_db=0.0))
        await desk.run(1.0)
        second = asyncio.create_task(desk.mixer.play(str(music), level_db=0.0))
        await desk.run(0.7)
        desk.mixer.stop()
        await desk.until(first)
        await desk.until(second)
        await desk.run(0.3)

    do(desk, work)
    assert np.abs(desk.heard).max() > 0.9 * PEAK
    assert np.abs(desk.all).max() < 2**31
    iq = iq_of(desk.all)[600:]
    alone = iq_of(np.concatenate(desk.beneath))[600:]
    ratio = iq / alone
    assert np.abs(20.0 * np.log10(np.abs(ratio))).max() < 0.002
    assert np.abs(np.angle(ratio)).max() < 2e-4


def test_beside_tones_and_chirps_nothing_wraps_whatever_plays(tmp_path):
    music = written(tmp_path / "music.wav", 8.0 * loud_music(seconds=2.0), subtype="FLOAT")
    wanted = Emission(tones=Tones((33_000.0, 36_000.0, 39_000.0), level_db_spl=77.0), chirps=CHIRPS)
    desk = Desk(tones=emission(wanted))

    async def work(desk):
        task = asyncio.create_task(desk.mixer.play(str(music), level_db=0.0))
        await desk.until(task)

    do(desk, work)
    assert np.abs(desk.heard).max() <= PEAK
    assert 0.95 * FULL_SCALE * PEAK < np.abs(desk.all).max() < 2**31
    difference = desk.all - np.concatenate(desk.beneath)
    assert np.abs(difference).max() <= PEAK * FULL_SCALE, "a sum that wrapped would differ by more"


def test_each_output_has_what_it_is_named_for(tmp_path):
    stereo = np.hstack((sine(300.0), sine(500.0)))
    music = written(tmp_path / "music.wav", stereo)
    desk = Desk(outputs=(2, 3), channels=4, peak=1.0, tones=emission(outputs=4, tone_outputs=(1,)))

    async def work(desk):
        task = asyncio.create_task(desk.mixer.play(str(music), level_db=0.0))
        await desk.until(task)

    do(desk, work)
    tones = np.concatenate(desk.beneath)
    assert not tones[:, [0, 2, 3]].any()
    assert tones[:, 1].any()
    assert np.abs(desk.heard).max(axis=0).tolist() == [0.0, 0.0, pytest.approx(0.5, 0.01), pytest.approx(0.5, 0.01)]
    assert np.abs(np.fft.rfft(desk.heard[:RATE_HZ, 2])).argmax() == 300
    assert np.abs(np.fft.rfft(desk.heard[:RATE_HZ, 3])).argmax() == 500


# What is heard


def test_a_file_is_heard_whole_at_its_level_and_then_nothing_more(tmp_path):
    music = written(tmp_path / "note.wav", sine(1_000.0, seconds=2.0))
    desk = Desk(peak=1.0)

    async def work(desk):
        task = asyncio.create_task(desk.mixer.play(str(music), level_db=-12.0))
        await desk.until(task)
        await task
        assert not desk.mixer.sounding
        await desk.run(0.1)

    do(desk, work)
    sounding = np.flatnonzero(desk.heard[:, 0])
    assert sounding[-1] - sounding[0] == pytest.approx(2 * RATE_HZ, abs=600)
    middle = desk.heard[sounding[0] + 10_000 : sounding[-1] - 10_000]
    assert 20 * np.log10(level(middle) / (0.5 / np.sqrt(2))) == pytest.approx(-12.0, abs=0.05)


def test_a_click_of_a_sound_is_heard(tmp_path):
    chime = written(tmp_path / "chime.wav", sine(2_000.0, seconds=0.02))
    desk = Desk()

    async def work(desk):
        await desk.until(asyncio.create_task(desk.mixer.play(str(chime), level_db=0.0)))

    do(desk, work)
    assert np.abs(desk.heard).max() > 0.2


def test_stop_new_music_and_cancelling_fade_within_60_ms(tmp_path):
    music = written(tmp_path / "music.wav", sine(100.0, seconds=30.0, amplitude=0.9))
    desk = Desk(peak=1.0)
    ends = []

    async def play(desk):
        return asyncio.create_task(desk.mixer.play(str(music), level_db=0.0))

    async def work(desk):
        first = await play(desk)
        await desk.run(0.5)
        second = await play(desk)
        await desk.run(0.5)
        assert first.done()
        second.cancel()
        await desk.run(0.2)
        ends.append(desk.frame)
        assert second.cancelled()
        third = await play(desk)
        await desk.run(0.5)
        desk.mixer.stop()
        await desk.run(0.08)
        assert third.done()
        await third
        assert not desk.mixer.sounding

    do(desk, work)
    heard = desk.heard[:, 0]
    assert not heard[ends[0] - 20_000 : ends[0]].any()
    slope = 0.9 * 2 * np.pi * 100.0 / RATE_HZ
    assert np.abs(np.diff(heard)).max() < slope + 0.9 / (0.005 * RATE_HZ) * 1.6
    power = np.abs(np.fft.rfft(heard * np.blackman(len(heard)))) ** 2
    at_hz = np.fft.rfftfreq(len(heard), 1.0 / RATE_HZ)
    assert 10 * np.log10(power[at_hz > 31_000].sum() / power.sum()) < -110.0


@needs_espeak
def test_an_announcement_ducks_music_and_is_understood_in_turn(tmp_path):
    music = written(tmp_path / "music.wav", sine(50.0, seconds=30.0, amplitude=1.0))
    desk = Desk(peak=1.0)
    during = []

    async def work(desk):
        playing = asyncio.create_task(desk.mixer.play(str(music), level_db=0.0))
        await desk.run(0.5)
        begin = desk.frame
        spoken = [
            asyncio.create_task(desk.mixer.announce(text, language="en", level_db=0.0))
            for text in ("good morning", "rain")
        ]
        await desk.until(spoken[0])
        assert not spoken[1].done()
        await desk.until(spoken[1])
        during.append((begin, desk.frame))
        await desk.run(0.5)
        assert not playing.done()
        desk.mixer.stop()
        await desk.until(playing)

    do(desk, work)
    begin, end = during[0]
    heard = desk.heard[:, 0]

    def music_db(frame):
        part = heard[frame : frame + 4 * 3840]
        wave = np.exp(-2j * np.pi * 50.0 * np.arange(len(part)) / RATE_HZ)
        return 20 * np.log10(2 * np.abs(np.mean(part * wave)))

    assert music_db(begin - 20_000) == pytest.approx(0.0, abs=0.1)
    assert music_db((begin + end) // 2) == pytest.approx(-20.0, abs=3.0)
    assert music_db(len(heard) - 40_000) == pytest.approx(0.0, abs=0.1)
    assert np.abs(heard).max() <= 1.0


@needs_espeak
def test_stop_silences_what_is_said_and_what_waits():
    desk = Desk()

    async def work(desk):
        spoken = [
            asyncio.create_task(desk.mixer.announce("one two three " * 20, language="en", level_db=0.0))
            for _ in range(3)
        ]
        await desk.run(0.5)
        desk.mixer.stop()
        for one in spoken:
            await desk.until(one)
            await one
        assert not desk.mixer.sounding

    do(desk, work)
    assert np.flatnonzero(desk.heard)[-1] < 0.7 * RATE_HZ


def test_too_many_announcements_are_refused(monkeypatch):
    over = threading.Event()

    def hang(_text, _language):
        over.wait(DEADLINE_S)
        raise SourceError("too late")

    monkeypatch.setattr(mixer_module, "_open_speech", hang)
    desk = Desk()

    async def work(desk):
        spoken = [
            asyncio.create_task(desk.mixer.announce("x", language="en", level_db=0.0)) for _ in range(MAX_WAITING + 1)
        ]
        await desk.run(0.05, ready=False)
        with pytest.raises(RoutineError, match="8 announcements wait already"):
            await desk.mixer.announce("x", language="en", level_db=0.0)
        desk.mixer.stop()
        await asyncio.sleep(0)
        for one in spoken:
            while not one.done():
                desk.block()
                await asyncio.sleep(0)
        over.set()

    do(desk, work)


# What goes wrong


class Fitful:
    """A sound that the test lets on and holds up."""

    rate_hz, channels = 48_000, 1

    def __init__(self):
        self.pieces = threading.Semaphore(0)
        self.closed = threading.Event()
        self._wave = sine(200.0, seconds=100.0)
        self._at = 0

    def read(self):
        while not self.pieces.acquire(timeout=0.05):
            if self.closed.is_set():
                return self._wave[:0]
        self._at += 4_800
        return self._wave[self._at - 4_800 : self._at]

    def close(self):
        self.closed.set()


def test_a_stream_that_runs_dry_fades_and_comes_back_and_the_tone_goes_on(monkeypatch):
    sound = Fitful()
    monkeypatch.setattr(mixer_module, "_open_media", lambda _media: sound)
    desk = Desk(tones=emission())

    async def work(desk):
        task = asyncio.create_task(desk.mixer.play("/x", level_db=0.0))
        await asyncio.sleep(0)
        sound.pieces.release(6)
        await desk.decoded()
        track = desk.mixer._music[0]
        await asyncio.to_thread(until, lambda: track._written > 0.45 * RATE_HZ)
        await desk.run(1.0, ready=False)
        sound.pieces.release(6)
        await desk.decoded()
        await desk.run(0.3, ready=False)
        desk.mixer.stop()
        await desk.run(0.1, ready=False)
        assert task.done()
        sound.closed.set()

    do(desk, work)
    heard = desk.heard[:, 0]
    assert level(heard[20_000:80_000]) > 0.2
    assert not heard[130_000:190_000].any()
    assert level(heard[-60_000:-30_000]) > 0.1
    slope = PEAK * 0.5 * 2 * np.pi * 200.0 / RATE_HZ
    assert np.abs(np.diff(heard)).max() < slope + PEAK / (0.005 * RATE_HZ) * 1.6
    ratio = iq_of(desk.all)[600:] / iq_of(np.concatenate(desk.beneath))[600:]
    assert np.abs(ratio - 1.0).max() < 2e-4


def test_bad_sounds_are_told_and_the_next_is_played(tmp_path):
    bad = sine(seconds=1.0)
    bad[30_000] = np.nan
    (tmp_path / "empty.wav").touch()
    written(tmp_path / "nan.wav", bad, subtype="FLOAT")
    written(tmp_path / "good.wav", sine(seconds=0.3))
    desk = Desk(tones=emission())

    async def work(desk):
        for name, words in (("gone.wav", "check the path"), ("empty.wav", "empty file"), ("nan.wav", "no numbers")):
            task = asyncio.create_task(desk.mixer.play(str(tmp_path / name), level_db=0.0))
            await desk.until(task)
            with pytest.raises(RoutineError, match=words):
                await task
        task = asyncio.create_task(desk.mixer.play(str(tmp_path / "good.wav"), level_db=0.0))
        await desk.until(task)
        await task

    do(desk, work)
    assert np.abs(np.diff(desk.heard[:, 0])).max() < 0.02


def test_a_stream_that_never_begins_can_be_stopped():
    begun = threading.Event()

    def silent(handler):
        sends(b"")(handler)
        begun.wait(DEADLINE_S)

    with server(silent) as address:
        desk = Desk()

        async def work(desk):
            task = asyncio.create_task(desk.mixer.play(address, level_db=0.0))
            await desk.run(0.2, ready=False)
            desk.mixer.stop()
            await desk.run(0.1, ready=False)
            assert task.done()
            assert not desk.mixer.sounding
            begun.set()

        do(desk, work)


def test_close_lets_nobody_wait(tmp_path):
    music = written(tmp_path / "music.wav", sine(seconds=5.0))
    desk = Desk()

    async def work(desk):
        task = asyncio.create_task(desk.mixer.play(str(music), level_db=0.0))
        await desk.run(0.2)
        desk.mixer.close()
        await asyncio.sleep(0.01)
        assert task.done()
        with pytest.raises(RoutineError, match="the playback has ended"):
            await desk.mixer.play(str(music), level_db=0.0)

    do(desk, work)


def test_a_decoder_that_hangs_holds_up_no_block(monkeypatch):
    """Each call of the audio thread returns while the decoder is inside `read`, and while it is inside `open`."""
    sound, opening = Fitful(), threading.Event()

    def slow(_media):
        opening.wait(DEADLINE_S)
        return sound

    monkeypatch.setattr(mixer_module, "_open_media", slow)
    desk = Desk(tones=emission())

    async def work(desk):
        task = asyncio.create_task(desk.mixer.play("/x", level_db=0.0))
        await desk.run(0.2, ready=False)
        assert not task.done()
        opening.set()
        sound.pieces.release(4)
        await desk.decoded()
        await desk.run(1.0, ready=False)
        assert not task.done()
        assert desk.frame == round(1.2 * RATE_HZ)
        desk.mixer.stop()
        await desk.run(0.1, ready=False)
        await task
        sound.closed.set()

    do(desk, work)
    assert np.abs(desk.heard).max() > 0.1


def test_the_audio_thread_makes_no_array_while_music_plays(tmp_path):
    music = written(tmp_path / "music.wav", loud_music(seconds=5.0))
    desk = Desk(outputs=(0, 1), channels=2)
    frames = np.zeros((FRAMES, 2), np.int32)

    async def work(desk):
        task = asyncio.create_task(desk.mixer.play(str(music), level_db=0.0))
        await desk.run(1.0)
        made = []
        for _ in range(200):  # more than twice round the ring
            await desk.decoded()
            tracemalloc.start(1)
            here, _peak = tracemalloc.get_traced_memory()
            desk.mixer.add_to(frames)
            made.append(tracemalloc.get_traced_memory()[1] - here)
            tracemalloc.stop()
        # The decoder's thread is traced as well, but not in every block.
        assert np.median(made) < 2_000 < frames.nbytes
        desk.mixer.stop()
        await desk.until(task)

    do(desk, work)


def test_silence_adds_nothing_and_starts_no_thread():
    before = threading.active_count()
    desk = Desk(tones=emission())
    desk.block()
    assert np.array_equal(desk.mixed[0], desk.beneath[0])
    assert threading.active_count() == before
    desk.mixer.stop()
    desk.mixer.close()


def test_a_service_that_plays_nothing_has_no_decoder_in_memory():
    code = "import sys, appliance.app; print(sorted({'soundfile', 'soxr'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "[]\n"


class Noise:
    """A loud sound of any length that may fail at its end or beginning."""

    def __init__(self, random):
        self.rate_hz = int(random.choice([8_000, 44_100, 48_000, 96_000]))
        self.channels = int(random.integers(1, 7))
        self._random = np.random.default_rng(int(random.integers(2**31)))
        self._left = int(random.integers(0, self.rate_hz))
        self._fails = random.random() < 0.2

    def read(self):
        frames = min(self._left, 2_000)
        if not frames and self._fails:
            raise SourceError("noise: broken")
        self._left -= frames
        return self._random.uniform(-2.0, 2.0, (frames, self.channels)).astype(np.float32)

    def close(self):
        pass


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_asked_in_any_order_all_ends_and_nothing_is_too_loud(monkeypatch, seed):
    random = np.random.default_rng(seed)
    monkeypatch.setattr(mixer_module, "_open_media", lambda _media: Noise(random))
    monkeypatch.setattr(mixer_module, "_open_speech", lambda _text, _language: Noise(random))
    desk = Desk(outputs=(1, 0), channels=2, tones=emission(outputs=2))

    async def work(desk):
        tasks = []
        for _ in range(40):
            match random.choice(["play", "announce", "stop", "cancel"], p=[0.4, 0.35, 0.1, 0.15]):
                case "play":
                    level_db = float(random.integers(-30, 1))
                    tasks.append(asyncio.create_task(desk.mixer.play("/x", level_db=level_db)))
                case "announce":
                    tasks.append(asyncio.create_task(desk.mixer.announce("x", language="en", level_db=0.0)))
                case "stop":
                    desk.mixer.stop()
                case "cancel" if tasks:
                    tasks[int(random.integers(len(tasks)))].cancel()
            await desk.run(float(random.uniform(0.0, 0.4)), ready=bool(random.random() < 0.7))
        for task in tasks:
            await desk.until(task)
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, (RoutineError, asyncio.CancelledError))
        assert not desk.mixer.sounding

    do(desk, work)
    assert np.abs(desk.heard).max() <= PEAK
    assert np.abs(desk.all).max() < 2**31
    wave = desk.heard[:, 0]
    power = np.abs(np.fft.rfft(wave * np.blackman(len(wave)))) ** 2
    at_hz = np.fft.rfftfreq(len(wave), 1.0 / RATE_HZ)
    assert 10 * np.log10(power[at_hz > 31_000].sum() / power.sum()) < -90.0
