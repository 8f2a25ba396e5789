"""What espeak-ng says, and what it is not told."""

import os
import shutil

import numpy as np
import pytest

from appliance.errors import SourceError
from appliance.hardware.speech import MAX_TEXT, open_speech

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


def spoken(text, language="en"):
    sound = open_speech(text, language=language)
    try:
        parts = []
        while len(part := sound.read()):
            parts.append(part)
        return np.concatenate(parts), sound.rate_hz
    finally:
        sound.close()


@needs_espeak
def test_a_text_is_spoken_in_its_language():
    english, rate_hz = spoken("Good morning. It is 7 degrees.")
    german, _ = spoken("Guten Morgen. Es sind 7 Grad, und schön.", "de")
    assert 1.0 < len(english) / rate_hz < 6.0
    assert np.abs(english).max() > 0.1
    assert len(german) != len(english)


@needs_espeak
@pytest.mark.parametrize(
    "text", ["-h --help", "$(touch x); `touch x`", "<speak>&</speak>", "a\0b\n\n\tc", "\ud800 x", "[["]
)
def test_a_text_is_never_more_than_a_text(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spoken(text)
    assert not list(tmp_path.iterdir())


@needs_espeak
def test_the_longest_text_is_spoken_to_its_end():
    samples, rate_hz = spoken("oh " * (MAX_TEXT // 3))
    assert len(samples) / rate_hz > 60.0


@needs_espeak
def test_letting_go_early_leaves_no_process():
    sound = open_speech("one two three " * 100, language="en")
    sound.read()
    sound.close()
    sound.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@needs_espeak
def test_an_unknown_voice_is_named_with_the_cure():
    with pytest.raises(SourceError, match=r"voice does not exist.*`espeak-ng --voices` lists languages"):
        spoken("hello", "xx")


@pytest.mark.parametrize("language", ["", "EN", "en;ls", "../../etc", "-h", "en ", "e", "en-gb-" + "x" * 9])
def test_a_language_is_a_language(language):
    with pytest.raises(SourceError, match="is no language"):
        open_speech("hello", language=language)


@pytest.mark.parametrize("text", ["", " \n\0 ", "x" * (MAX_TEXT + 1)])
def test_a_text_has_a_length(text):
    with pytest.raises(SourceError, match="characters cannot be spoken"):
        open_speech(text, language="en")


def test_without_espeak_the_cure_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"cannot be started .*; install it: sudo apt-get install espeak-ng$"):
        open_speech("hello", language="en")
