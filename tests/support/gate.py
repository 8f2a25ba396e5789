"""A TCP relay in front of a broker that can be shut, or stall without a word, as a broken link does."""

import contextlib
import selectors
import socket
import threading


class Gate:
    """Relays to a broker while it is open. A context manager; `host` and `port` stand in for the broker's.

    A stalled gate takes no byte from either side and ends nothing: each side has to notice by itself. A tap is told
    what went through: the connection, the bytes, and whether towards the broker.
    """

    def __init__(self, broker, tap=None):
        self._tap = tap
        self.host = broker.host
        self._target = (broker.host, broker.port)
        self._listener = socket.create_server((broker.host, 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._nears: set[socket.socket] = set()
        self._stalled: set[socket.socket] = set()
        self._open = True
        self._ended = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._relay, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended = True
        self._thread.join()
        self._cut()
        for stalled in self._stalled:
            stalled.close()
        self._listener.close()

    def open(self):
        with self._lock:
            self._open = True

    def shut(self):
        """End all connections, and each new one at once."""
        with self._lock:
            self._open = False
            self._cut()

    def stall(self):
        """Let the connections of now hang for ever, and end each new one at once."""
        with self._lock:
            self._open = False
            self._stalled |= set(self._pairs)
            self._pairs.clear()

    def _cut(self):
        for end in self._pairs:
            end.close()
        self._pairs.clear()

    def _relay(self):
        while not self._ended:
            with self._lock:
                ready = self._ready([self._listener, *self._pairs])
                if self._listener in ready:
                    self._accept()
                for end in ready:
                    if end in self._pairs:
                        self._forward(end)

    @staticmethod
    def _ready(sockets):
        with selectors.DefaultSelector() as selector:
            for each in sockets:
                selector.register(each, selectors.EVENT_READ)
            return [key.fileobj for key, _ in selector.select(0.005)]

    def _accept(self):
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._target) if self._open else None
        except OSError:
            far = None
        if far is None:
            near.close()
            return
        self._pairs |= {near: far, far: near}
        self._nears.add(near)

    def _forward(self, end):
        other = self._pairs[end]
        data = b""
        with contextlib.suppress(OSError):
            data = end.recv(65_536)
            other.sendall(data)
            if self._tap:
                near = end if end in self._nears else other
                self._tap(near, data, towards_broker=end is near)
        if not data:
            for each in (end, other):
                del self._pairs[each]
                each.close()
