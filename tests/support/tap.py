"""What two ends of an MQTT 5 connection said to each other, read from the bytes that went by."""

import threading
from dataclasses import dataclass, replace

_PUBLISH, _PUBACK = 3, 4


@dataclass(frozen=True)
class Said:
    """A PUBLISH at quality of service 1 towards the broker, or its acknowledgement on the way back."""

    acknowledged: bool
    mid: int
    topic: str
    payload: bytes


class Tap:
    """Given to a `Gate`, it takes down every PUBLISH of ours and every PUBACK for it, in order."""

    def __init__(self):
        self.said: list[Said] = []
        self._lock = threading.Lock()
        self._halves: dict[tuple[object, bool], bytearray] = {}
        self._open: dict[tuple[object, int], Said] = {}

    def __call__(self, connection, data, *, towards_broker):
        with self._lock:
            half = self._halves.setdefault((connection, towards_broker), bytearray())
            half += data
            while packet := _cut(half):
                self._take(connection, *packet, towards_broker=towards_broker)

    def _take(self, connection, kind, flags, body, *, towards_broker):
        if towards_broker and kind == _PUBLISH and flags & 0b0110 == 0b0010:
            length = int.from_bytes(body[:2])
            topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
            properties, used = _number(rest[2:])
            said = Said(False, int.from_bytes(rest[:2]), topic, rest[2 + used + properties :])
            self._open[connection, said.mid] = said
            self.said.append(said)
        if not towards_broker and kind == _PUBACK:
            said = self._open.pop((connection, int.from_bytes(body[:2])))
            self.said.append(replace(said, acknowledged=True))


def _cut(half):
    """Takes the first whole packet off: its kind, flags and body; None where none is whole."""
    length = _number(half[1:])
    if not half or length is None:
        return None
    size, used = length
    end = 1 + used + size
    if len(half) < end:
        return None
    packet = half[0] >> 4, half[0] & 0x0F, bytes(half[1 + used : end])
    del half[:end]
    return packet


def _number(data):
    """A variable byte integer and its length in bytes."""
    value = 0
    for place, byte in enumerate(data[:4]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, place + 1
    return None
