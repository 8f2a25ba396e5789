"""Sample formats on the wire: little-endian integers of 32 or 24 bit to and from int32 of full scale 2^31."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_BYTES: Final = {"S32_LE": 4, "S24_3LE": 3}


def from_wire(data: bytes, *, sample_format: str, channels: int) -> NDArray[np.int32]:
    """[frames, channels] int32 of full scale 2^31; `data` holds whole frames.

    S32_LE is a read-only view of `data`: nothing is copied.
    """
    if sample_format == "S32_LE":
        return np.frombuffer(data, "<i4").reshape(-1, channels)
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.view("<i4").reshape(-1, channels)


def to_wire(samples: NDArray[np.int32], *, sample_format: str) -> bytes:
    """The bytes of [frames, channels] int32 of full scale 2^31; S24_3LE drops the lowest byte."""
    little = np.ascontiguousarray(samples, "<i4")
    if sample_format == "S32_LE":
        return little.tobytes()
    return little.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
