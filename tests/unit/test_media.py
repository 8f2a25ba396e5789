"""Files and streams of every kind that people have, and what bad ones are told."""

import io
import socket
from functools import partial

import numpy as np
import pytest
import soundfile
from support.sounds import loud_music, sends, server, sine, written

from appliance.errors import SourceError
from appliance.hardware import endless
from appliance.hardware.media import open_bytes, open_media

KINDS = [
    ("wav", {"subtype": "PCM_16"}),
    ("wav", {"subtype": "FLOAT"}),
    ("flac", {}),
    ("ogg", {"format": "OGG", "subtype": "VORBIS"}),
    ("opus", {"format": "OGG", "subtype": "OPUS"}),
    ("mp3", {}),
]


def all_of(sound):
    try:
        parts = []
        while len(part := sound.read()):
            parts.append(part)
        return np.concatenate(parts)
    finally:
        sound.close()


def encoded(samples=None, rate_hz=48_000, **kind):
    file = io.BytesIO()
    soundfile.write(file, loud_music(seconds=3.0) if samples is None else samples, rate_hz, **kind)
    return file.getvalue()


class Bytes:
    """Comes in pieces of any length, then ends or breaks."""

    def __init__(self, data, *, piece=1_000, error=None):
        self._file, self._piece, self._error = io.BytesIO(data), piece, error
        self.closed = 0

    def read(self, most):
        data = self._file.read(min(most, self._piece))
        if not data and self._error:
            raise self._error
        return data

    def close(self):
        self.closed += 1


@pytest.mark.parametrize(("suffix", "kind"), KINDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_stream_is_decoded_as_the_file_is(tmp_path, suffix, kind, channels):
    path = written(tmp_path / f"music.{suffix}", loud_music(seconds=3.0, channels=channels), **kind)
    from_file = all_of(open_media(str(path)))
    source = Bytes(path.read_bytes(), piece=777)
    from_stream = all_of(open_bytes("radio", source))
    assert len(from_file) == pytest.approx(144_000, abs=4_000)
    # Nobody tells an endless stream how much of its last packet is padding.
    assert np.array_equal(from_stream[: len(from_file)], from_file)
    assert len(from_stream) - len(from_file) < 1_000
    assert source.closed


@pytest.mark.parametrize(("suffix", "kind"), KINDS)
@pytest.mark.parametrize("told", [True, False])
def test_a_server_streams(tmp_path, suffix, kind, told):
    data = written(tmp_path / f"music.{suffix}", loud_music(), **kind).read_bytes()
    with server(sends(data, length=len(data) if told else None, kind="text/plain; a lie")) as address:
        assert len(all_of(open_media(address))) >= 47_000


def test_a_long_stream_is_not_kept(tmp_path):
    data = encoded(loud_music(seconds=20.0), format="WAV", subtype="FLOAT")
    source = endless.EndlessFile(Bytes(data, piece=8_192))
    with soundfile.SoundFile(source) as file:
        source.begun()
        while len(file.read(4_096)):
            assert len(source._kept) <= 3 * 2**16 + 8_192
    assert len(data) > 7_000_000


@pytest.mark.parametrize("rate_hz", [8_000, 384_000])
def test_odd_rates(tmp_path, rate_hz):
    sound = open_media(str(written(tmp_path / "odd.wav", sine(rate_hz=rate_hz), rate_hz)))
    assert (sound.rate_hz, sound.channels) == (rate_hz, 1)
    sound.close()


def test_an_album_picture_before_the_music_is_passed_over():
    size = 300_000
    tag = b"ID3\x03\x00\x00" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)
    assert len(all_of(open_bytes("radio", Bytes(tag + encoded(format="MP3"))))) > 140_000


# What cannot be played


def refused(media):
    with pytest.raises(SourceError) as caught:
        all_of(open_media(str(media)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_none(tmp_path):
    (tmp_path / "empty.mp3").touch()
    (tmp_path / "text.mp3").write_text("hello " * 100)
    soundfile.write(tmp_path / "nothing.wav", np.zeros((0, 1)), 48_000)
    soundfile.write(tmp_path / "slow.wav", np.zeros((100, 1)), 4_000)
    soundfile.write(tmp_path / "many.wav", np.zeros((100, 12)), 48_000)
    assert refused(tmp_path / "gone.wav").endswith("cannot be read (No such file or directory); check the path")
    assert refused(tmp_path / "a\0b").endswith("check the path")
    assert refused(tmp_path).endswith("not a file; name one sound")
    assert refused("/dev/zero") == "/dev/zero: not a file; name one sound"
    assert refused(tmp_path / "empty.mp3").endswith("empty file; record or copy it again")
    assert "not WAV, FLAC, Ogg or MP3 (" in refused(tmp_path / "text.mp3")
    assert refused(tmp_path / "nothing.wav").endswith("no sound in it; record or copy it again")
    assert refused(tmp_path / "slow.wav").endswith("4000 Hz cannot be played; save it at 44100 or 48000 Hz")
    assert refused(tmp_path / "many.wav").endswith("12 channels; save it with 1 or 2")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(tmp_path, value):
    samples = sine()
    samples[20_000] = value
    path = written(tmp_path / "bad.wav", samples, subtype="FLOAT")
    assert refused(path) == f"{path}: holds values that are no numbers; save it again"


def read_or_refused(opened):
    """What came, or what was said instead."""
    try:
        return len(all_of(opened()))
    except SourceError as error:
        return str(error)


@pytest.mark.parametrize(("suffix", "kind"), KINDS)
def test_a_damaged_file_never_does_worse_than_to_be_refused(tmp_path, suffix, kind):
    random = np.random.default_rng(11)
    whole = written(tmp_path / f"whole.{suffix}", loud_music(seconds=0.5), **kind).read_bytes()
    path = tmp_path / f"damaged.{suffix}"
    for _ in range(20):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 20):
            data[place] = random.integers(256)
        path.write_bytes(data[: random.integers(1, len(data))])
        for opened in (partial(open_media, str(path)), partial(open_bytes, "radio", Bytes(data))):
            came = read_or_refused(opened)
            assert came < 10_000_000 if isinstance(came, int) else "\n" not in came


PAGES = [b"<!DOCTYPE html><html>", b"#EXTM3U\nhttp://radio/a.mp3\n", b"[playlist]\nFile1=http://radio/a.mp3\n"]


@pytest.mark.parametrize("page", PAGES)
def test_pages_and_playlists_are_called_so(page):
    with server(sends(page, kind="audio/mpeg")) as address:
        assert refused(address) == "127.0.0.1: a page or playlist, not a sound; give the address that stands in it"


def test_servers_that_answer_otherwise():
    with server(sends(b"no", status=404)) as address:
        assert refused(address) == "127.0.0.1: answers 404; check the stream's address"
    with server(sends(b"")) as address:
        assert refused(address).startswith("127.0.0.1: not WAV, FLAC, Ogg or MP3")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    assert "does not answer as a stream" in refused(f"http://127.0.0.1:{port}/secret")
    assert "secret" not in refused(f"http://127.0.0.1:{port}/secret")
    for address in ("http://", "http://[", "http://127.0.0.1:99999999/", "http://a b/"):
        assert refused(address).endswith(("check its address", "check its address)"))


def test_a_redirect_leads_to_no_file(tmp_path):
    path = written(tmp_path / "music.wav", sine())

    def elsewhere(handler):
        handler.send_response(302)
        handler.send_header("Location", f"file://{path}")
        handler.end_headers()

    with server(elsewhere) as address:
        assert refused(address).startswith("127.0.0.1: answers 302")


def test_a_stream_that_is_cut_off_says_so():
    data = encoded(format="WAV")
    with server(sends(data[: len(data) // 2], length=len(data))) as address:
        assert refused(address) == "127.0.0.1: breaks off (cut off before its end); try again"


def test_a_stream_that_breaks_keeps_what_came():
    data = encoded(format="MP3")
    sound = open_bytes("radio", Bytes(data[: len(data) // 2], error=TimeoutError("timed out")))
    came = []
    with pytest.raises(SourceError, match=r"^radio: breaks off \(timed out\); try again$"):
        came += iter(lambda: len(sound.read()), 0)
    assert sum(came) > 60_000
    sound.close()


def test_a_stream_that_trickles_is_given_up(monkeypatch):
    now_s = iter(range(10**6))
    monkeypatch.setattr(endless.time, "monotonic", lambda: float(next(now_s)))
    with pytest.raises(SourceError, match=r"^radio: stalls: less than one piece in 10 s"):
        all_of(open_bytes("radio", Bytes(encoded(format="WAV"), piece=1)))
