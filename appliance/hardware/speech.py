"""Texts as sounds: espeak-ng, a process of its own that is given the text and no shell."""

import os
import re
import select
import subprocess
import tempfile
from typing import IO

from appliance.errors import SourceError
from appliance.fields import LANGUAGE
from appliance.hardware.media import DecodedSound, open_bytes

MAX_TEXT = 2000
"""Characters: about two minutes, and never more than a pipe holds."""

_PROGRAM = "espeak-ng"
_SILENT_S = 10.0


def open_speech(text: str, *, language: str) -> DecodedSound:
    """Begin to speak.

    Args:
        text: 1 to 2000 characters.
        language: such as en, de or en-gb.

    Raises:
        SourceError: the text or language cannot be spoken, or espeak-ng is missing.
    """
    spoken = " ".join(text.replace("\0", " ").split())
    if not spoken or len(spoken) > MAX_TEXT:
        raise SourceError(f"a text of {len(spoken)} characters cannot be spoken; give it 1 to {MAX_TEXT}")
    if not re.fullmatch(LANGUAGE, language):
        raise SourceError(f"{language!r} is no language; write one such as en, de or en-gb")
    return open_bytes(_PROGRAM, _Speaker(spoken, language))


class _Speaker:
    """The WAV file that espeak-ng writes while it speaks."""

    def __init__(self, text: str, language: str) -> None:
        self._language = language
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the speaker
        try:
            self._process = subprocess.Popen(
                [_PROGRAM, "--stdin", "--stdout", "-b", "1", "-v", language],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        except OSError as error:
            self._errors.close()
            raise SourceError(
                f"{_PROGRAM} cannot be started ({error.strerror}); install it: sudo apt-get install {_PROGRAM}"
            ) from error
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(text.encode(errors="replace"))
            self._process.stdin.close()
        except OSError:
            pass  # it ended before it read: what it says of that comes with the first read

    def read(self, most: int) -> bytes:
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        if not select.select([output], [], [], _SILENT_S)[0]:
            raise OSError(f"says nothing for {_SILENT_S:g} s")
        data = os.read(output, most)
        if not data and self._process.wait(_SILENT_S):
            self._errors.seek(0)
            said = " ".join(self._errors.read(500).decode(errors="replace").split())
            raise OSError(f"{said or f'exit code {self._process.returncode}'}; `{_PROGRAM} --voices` lists languages")
        return data

    def close(self) -> None:
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()
