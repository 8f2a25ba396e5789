"""Carries out what the engine fired: MQTT messages, HTTP requests, programs. The only file of routines with I/O."""

import asyncio
import contextlib
import http.client
import inspect
import os
import signal
import socket
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from appliance.errors import RoutineError
from appliance.routines.engine import Firing
from appliance.routines.schema import Action, CommandAction, PublishAction, WebhookAction

PUBLISH_TIMEOUT_S = 10.0
MAX_WAITING = 10
"""Firings of one routine that may wait for their turn; more would act on a past that is long over."""


class Publish(Protocol):
    """Sends one MQTT message, at once or when awaited; raises when it cannot."""

    def __call__(self, topic: str, payload: bytes, *, retain: bool, qos: int) -> Awaitable[object] | object:
        """`qos` is 0, 1 or 2."""


class ActionRunner:
    """Runs the actions of firings: those of one routine one after the other, those of different ones side by side.

    `commands` is the allow list: argument lists by name. `on_error` gets one line for each failure. The first action
    that fails ends its firing, because those behind it may rest on it.
    """

    def __init__(
        self, *, publish: Publish, commands: Mapping[str, Sequence[str]], on_error: Callable[[str], None]
    ) -> None:
        self._publish = publish
        self._commands = {name: tuple(argv) for name, argv in commands.items()}
        self._on_error = on_error
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: defaultdict[str, int] = defaultdict(int)

    async def run(self, firing: Firing) -> None:
        """Returns when the firing's actions are over, done or failed; failures go to `on_error` and never raise."""
        routine = firing.routine_id
        if self._waiting[routine] >= MAX_WAITING:
            self._on_error(f"routine {routine}: dropped a firing, {MAX_WAITING} wait already ({firing.cause})")
            return
        self._waiting[routine] += 1
        try:
            await self._turns[routine].acquire()
        finally:
            self._waiting[routine] -= 1
        try:
            for number, action in enumerate(firing.actions, start=1):
                await self._run_action(action, f"routine {routine}: action {number} ({action.action})")
        except RoutineError as error:
            self._on_error(str(error))
        finally:
            self._turns[routine].release()

    async def _run_action(self, action: Action, name: str) -> None:
        """Runs one action.

        Raises:
            RoutineError: it failed or took too long.
        """
        limit_s = PUBLISH_TIMEOUT_S if isinstance(action, PublishAction) else action.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                await self._perform(action)
        except TimeoutError as error:
            raise RoutineError(f"{name}: not done within {limit_s:g} s") from error
        except RoutineError as error:
            raise RoutineError(f"{name}: {error}") from error
        except Exception as error:
            # Whatever one routine's action meets, the others go on.
            raise RoutineError(f"{name}: {_one_line(error)}") from error

    async def _perform(self, action: Action) -> None:
        match action:
            case PublishAction():
                sent = self._publish(action.topic, action.payload, retain=action.retain, qos=action.qos)
                if inspect.isawaitable(sent):
                    await sent
            case WebhookAction():
                await _request(action)
            case CommandAction():
                await self._start(action)

    async def _start(self, action: CommandAction) -> None:
        argv = self._commands.get(action.command)
        if argv is None:
            raise RoutineError(f"{action.command} is not a command of routines.commands in the configuration")
        try:
            # Nothing is piped: a child that outlives the program would hold a pipe open, and we would wait for it.
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise RoutineError(f"{action.command} cannot be started: {error.strerror or error}") from error
        try:
            status = await process.wait()
        finally:
            if process.returncode is None:
                # Its own children go with it; one that changed its user cannot be signalled, nor waited for.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                    await process.wait()
        if status < 0:
            raise RoutineError(f"{action.command} was ended by signal {-status}")
        if status > 0:
            raise RoutineError(f"{action.command} ended with exit code {status}")


async def _request(action: WebhookAction) -> None:
    """Makes the request in a thread.

    The thread cannot be cancelled and its time limit is one a read, so that a server that sends a byte now and then
    would hold it: when our time is over its connections are shut, which ends it.
    """
    connections: list[http.client.HTTPConnection] = []
    request = asyncio.create_task(asyncio.to_thread(_request_in_thread, action, connections))
    try:
        await asyncio.shield(request)
    except asyncio.CancelledError:
        request.add_done_callback(_discard)
        for connection in connections:
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
        raise


def _discard(request: asyncio.Task[None]) -> None:
    """Takes the outcome of a request that nobody waits for any more, so that asyncio does not complain of it."""
    if not request.cancelled():
        request.exception()


def _request_in_thread(action: WebhookAction, connections: list[http.client.HTTPConnection]) -> None:
    """One request with its redirects; the answer's body is not read.

    Raises:
        RoutineError: no answer, or one that is not a success.
        TimeoutError: one read took all of the time.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        _KeptHttp(connections),
        _KeptHttps(connections),
        _HttpRedirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    # The address may hold a secret token; errors name the host only.
    host = urlsplit(action.url).netloc
    headers = {"User-Agent": "pipistrelle"} | ({"Content-Type": "application/json"} if action.body is not None else {})
    request = urllib.request.Request(action.url, data=action.body, headers=headers, method=action.method)  # noqa: S310  the schema allows http and https only
    try:
        opener.open(request, timeout=action.timeout_s).close()
    except urllib.error.HTTPError as error:
        error.close()
        raise RoutineError(f"{host} answered {error.code} {_one_line(error.reason)}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise error.reason from error
        raise RoutineError(f"{host} cannot be reached: {_one_line(error.reason)}") from error
    except (http.client.HTTPException, ConnectionError) as error:
        raise RoutineError(f"{host} gave no proper answer: {_one_line(error)}") from error


class _Kept(urllib.request.AbstractHTTPHandler):
    """Notes each connection it makes, so that another thread can shut it."""

    def __init__(self, connections: list[http.client.HTTPConnection]) -> None:
        super().__init__()
        self._connections = connections

    def do_open(self, http_class: Any, req: urllib.request.Request, **http_conn_args: Any) -> http.client.HTTPResponse:
        """Puts a note between the making of the connection and its use."""

        def connect(*args: Any, **kwargs: Any) -> http.client.HTTPConnection:
            connection: http.client.HTTPConnection = http_class(*args, **kwargs)
            self._connections.append(connection)
            return connection

        return super().do_open(connect, req, **http_conn_args)


class _KeptHttp(_Kept, urllib.request.HTTPHandler):
    pass


class _KeptHttps(_Kept, urllib.request.HTTPSHandler):
    pass


class _HttpRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects from http and https to http and https only."""

    def redirect_request(  # noqa: PLR0917  urllib's own signature
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Refuses other schemes; closes the answer, whose body of any length would be read else."""
        fp.close()
        if urlsplit(newurl).scheme not in {"http", "https"}:
            raise RoutineError("redirects to an address that is neither http nor https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _one_line(reason: object) -> str:
    """A reason from outside, of bounded length and without line breaks."""
    return " ".join(str(reason).split())[:200] or type(reason).__name__
