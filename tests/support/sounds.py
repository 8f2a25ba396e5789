"""Sounds to play, a server that streams them well or badly, and a room that keeps what is played."""

import contextlib
import http.server
import threading
import time

import numpy as np
import soundfile
from support.audio import DEADLINE_S


def sine(frequency_hz=440.0, *, seconds=1.0, rate_hz=48_000, channels=1, amplitude=0.5):
    """float32 [frames, channels]."""
    t_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.tile((amplitude * np.sin(2 * np.pi * frequency_hz * t_s))[:, None], channels).astype(np.float32)


def loud_music(*, seconds=1.0, rate_hz=48_000, channels=2, seed=5):
    """Bass, chords and noise, clipped at full scale: float32 [frames, channels]."""
    random = np.random.default_rng(seed)
    t_s = np.arange(round(seconds * rate_hz)) / rate_hz
    notes = sum(np.sin(2 * np.pi * hz * t_s + phase) for phase, hz in enumerate((55.0, 110.0, 660.0, 2_637.0, 9_000.0)))
    wave = notes[:, None] + random.standard_normal((len(t_s), channels))
    return np.clip(wave, -1.0, 1.0).astype(np.float32)


def written(path, samples, rate_hz=48_000, **kind):
    """The path of a new file."""
    soundfile.write(path, samples, rate_hz, **kind)
    return path


def until(condition):
    """Wait for another thread to come so far."""
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, "another thread did not come so far"
        time.sleep(0.001)


class Heard:
    """A virtual room that keeps what is written, and gives what takes real time as much as a card would give it.

    Args:
        room: whose stream it is.
        ready: what the first block waits for.
        over: whether the test has seen what it waits for, so that the stream may end.
    """

    def __init__(self, room, *, ready=lambda: True, over=lambda: False):
        self._room, self._ready, self._over = room, ready, over
        self.name, self.rate_hz, self.mics, self.outputs = room.name, room.rate_hz, room.mics, room.outputs
        self.written = []
        self.service = None

    def read(self):
        until(self._caught_up if self.written else self._ready)
        return None if self._over() else self._room.read()

    def _caught_up(self):
        """Sounds are decoded as far as they will be heard, and requests of routines answered."""
        if self.service is None:
            return True
        mixer = self.service._runner.player
        if mixer is None or not mixer.sounding:
            return not self.service._routines._acting
        tracks = [*list(mixer._music)[:1], *list(mixer._speech)[:1]]
        return all(track.ready or track._released for track in tracks)

    def write(self, samples):
        self.written.append(samples.copy())
        self._room.write(samples)

    def suspend(self):
        self._room.suspend()

    def close(self):
        self._room.close()

    @property
    def played(self):
        """int32 [frames, outputs]."""
        return np.concatenate(self.written)


@contextlib.contextmanager
def server(answer):
    """The address of a server on the loopback; `answer(handler)` answers each request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(ConnectionError):
                answer(self)

        def log_message(self, *_args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    running = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/sound"
    finally:
        running.shutdown()
        thread.join(DEADLINE_S)
        running.server_close()


def sends(data, *, length=None, kind="audio/mpeg", status=200):
    """An answer with these bytes; without a length it ends with the connection, as a radio station's does."""

    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(data)

    return answer
