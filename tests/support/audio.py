"""An `Audio` whose every block, fault and pause the test decides."""

import threading

import numpy as np

from appliance.errors import DeviceLost
from appliance.types import PcmBlock

RATE_HZ = 192_000
DEADLINE_S = 20.0


def block(first_frame, frames=1920, *, mics=1, lost_frames_before=0, samples=None):
    """A block of zeros, unless there are `samples`."""
    samples = np.zeros((frames, mics), np.int32) if samples is None else samples
    return PcmBlock(samples, first_frame, RATE_HZ, lost_frames_before)


class FakeAudio:
    """Gives `blocks` one after the other, then None; keeps what is written.

    Args:
        blocks: an iterable of blocks; it may wait or raise, as a card does.
        outputs: 0 for a source that plays nothing.
        write_fails_at: number of the write, from 0, at which the card is gone.
    """

    name = "fake"
    rate_hz = RATE_HZ

    def __init__(self, blocks, *, mics=1, outputs=0, write_fails_at=None):
        self._blocks = iter(blocks)
        self._write_fails_at = write_fails_at
        self.mics, self.outputs = mics, outputs
        self.written = []
        self.closed = self.suspended = 0

    def read(self):
        return next(self._blocks, None)

    def write(self, samples):
        if len(self.written) == self._write_fails_at:
            raise DeviceLost("fake: lost while playing: No such device; check its plug and power")
        self.written.append(samples.copy())

    def suspend(self):
        self.suspended += 1

    def close(self):
        self.closed += 1


def wait_for(event: threading.Event):
    """Wait for another thread; a wait that would hang fails instead."""
    assert event.wait(DEADLINE_S), "another thread did not come so far"
