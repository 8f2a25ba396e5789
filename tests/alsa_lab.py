"""PCMs of the real ALSA library that need no sound card: files and programs in the place of the converters."""

import json
import os
import shlex
import sys
from pathlib import Path

PERIODS = 32
"""What `AlsaAudio` asks for."""

CAPTURE = 'pcm.{name} {{ type file slave.pcm {{ type null }} file "/dev/null" infile "{path}" format raw }}'
PLAYBACK = 'pcm.{name} {{ type file slave.pcm {{ type null }} file "{path}" format raw }}'


def use_configuration(monkeypatch, folder: Path, *definitions: str) -> None:
    """Let ALSA know `definitions` besides those of the system; it notices the change by itself."""
    path = folder / "asound.conf"
    path.write_text("\n".join(["</usr/share/alsa/alsa.conf>", *definitions]) + "\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(path))


def closed_loop(
    folder: Path,
    *,
    room: str,
    options: dict,
    mics: int = 4,
    outputs: int = 2,
    block_frames: int = 1920,
    periods: int = PERIODS,
    paced_hz: int | None = None,
) -> dict[str, str]:
    """A room between `loop_out` and `loop_in`; the environment in which a process finds both, S32_LE only.

    Args:
        folder: for the configuration, the script and the FIFO.
        room: `module:name` of what makes it; its `process` takes [frames, outputs] int32 played and gives
            [frames, mics] int32 heard.
        options: arguments to make it with.
        mics: 1, 2, 4 or 8.
        outputs: channels played.
        block_frames: the period; with `periods` the buffer of both directions.
        periods: as many as are asked for; alsa-lib holds back one whole buffer of playback, so that the room gives as
            much silence first.
        paced_hz: rate at which the room gives its sound, as a card does; by default as fast as it is read.
    """
    fifo, script = folder / "heard.fifo", folder / "room.sh"
    os.mkfifo(fifo)
    description = {
        "room": room,
        "options": options,
        "fifo": str(fifo),
        "mics": mics,
        "outputs": outputs,
        "block_frames": block_frames,
        "silent_blocks": periods,
        "paced_hz": paced_hz,
    }
    tests = Path(__file__).parent
    command = [sys.executable, str(tests / "room_process.py"), json.dumps(description)]
    script.write_text(f"#!/bin/sh\nexec {shlex.join(command)}\n")
    script.chmod(0o755)
    configuration = folder / "loop.conf"
    configuration.write_text(
        "\n".join(
            [
                "</usr/share/alsa/alsa.conf>",
                CAPTURE.format(name="loop_in", path=fifo),
                PLAYBACK.format(name="loop_out", path=f"|{script}"),
            ]
        )
    )
    python_path = os.pathsep.join(str(path) for path in (tests.parent, tests))
    return os.environ | {"ALSA_CONFIG_PATH": str(configuration), "PYTHONPATH": python_path}
