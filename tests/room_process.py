"""A room behind ALSA: reads what is played on its standard input, gives what the microphones hear to a FIFO.

Run by alsa-lib itself (see alsa_lab.closed_loop), with a JSON description of the room as the only argument.
"""

import fcntl
import importlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from appliance.hardware.room import VirtualRoom
from appliance.simulation.scenes import walk

_PIPE_BYTES = 1 << 20


class EchoRoom:
    """The first output comes back after `delay_frames`, to each microphone at half the level of the one before."""

    def __init__(self, *, mics, delay_frames):
        self._mics = mics
        self._past = np.zeros(delay_frames, np.int32)

    def process(self, playback):
        """[frames, outputs] int32 played to [frames, mics] int32 heard."""
        joined = np.concatenate((self._past, playback[:, 0]))
        heard, self._past = joined[: len(playback)], joined[len(playback) :]
        return heard[:, np.newaxis] >> np.arange(self._mics, dtype=np.int32)


class Walked:
    """The product's own virtual room, in which somebody walks towards the device; makes the file `over` behind it.

    With `plugged` False the tweeter hangs on nothing.
    """

    def __init__(self, *, mics, start_s, distance_m, over, plugged=True):
        scene = walk(distance_m=distance_m, start_s=start_s)
        self._room = VirtualRoom(scene, mics=mics)
        self._left_frames = round(scene.duration_s * self._room.rate_hz)
        self._over = Path(over)
        self._plugged = plugged

    def process(self, playback):
        """[frames, outputs] int32 played to [frames, mics] int32 heard."""
        self._left_frames -= len(playback)
        if self._left_frames < 0:
            self._over.touch()
        return self._room.process(playback if self._plugged else np.zeros_like(playback))


def serve(room, *, fifo, mics, outputs, block_frames, silent_blocks, paced_hz):
    """Give `silent_blocks` of silence, then a block heard for every block played, until either side ends.

    alsa-lib passes a short read of the FIFO on as a whole one, so that a block must be there at once: one write each,
    into a pipe that has room for it. With `paced_hz` no frame is given before a card of that rate would.
    """
    microphones = os.open(fifo, os.O_WRONLY)
    fcntl.fcntl(microphones, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    began_s, given_frames = time.monotonic(), 0

    def give(samples):
        nonlocal given_frames
        given_frames += len(samples)
        if paced_hz:
            time.sleep(max(0.0, began_s + given_frames / paced_hz - time.monotonic()))
        data = np.ascontiguousarray(samples, "<i4").tobytes()
        assert os.write(microphones, data) == len(data)

    for _ in range(silent_blocks):
        give(np.zeros((block_frames, mics), np.int32))
    block_bytes = block_frames * outputs * 4
    while len(data := sys.stdin.buffer.read(block_bytes)) == block_bytes:
        give(room.process(np.frombuffer(data, "<i4").reshape(-1, outputs)))


if __name__ == "__main__":
    description = json.loads(sys.argv[1])
    module, name = description.pop("room").split(":")
    made = getattr(importlib.import_module(module), name)(**description.pop("options"))
    try:
        serve(made, **description)
    except BrokenPipeError:
        # Capture was closed first; alsa-lib aborts its process when it cannot get rid of the rest of playback.
        while sys.stdin.buffer.read(_PIPE_BYTES):
            continue
