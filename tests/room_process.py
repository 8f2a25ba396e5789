"""A room behind ALSA: reads what is played on its standard input, gives what the microphones hear to a FIFO.

Run by alsa-lib itself (see alsa_lab.closed_loop), with a JSON description of the room as the only argument.
"""

import fcntl
import importlib
import json
import os
import sys

import numpy as np

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


def serve(room, *, fifo, mics, outputs, block_frames, silent_blocks):
    """Give `silent_blocks` of silence, then a block heard for every block played, until either side ends.

    alsa-lib passes a short read of the FIFO on as a whole one, so that a block must be there at once: one write each,
    into a pipe that has room for it.
    """
    microphones = os.open(fifo, os.O_WRONLY)
    fcntl.fcntl(microphones, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def give(samples):
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
