"""One HTTP request with its redirects, in a thread, under one time limit."""

import asyncio
import contextlib
import http.client
import socket
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from appliance.errors import RoutineError
from appliance.routines.effects import Request
from appliance.routines.template import from_payload

MAX_ANSWER_BYTES = 65_536


async def request(action: Request) -> Any:
    """Makes the request in a thread; returns the JSON answer where one is wanted.

    The thread cannot be cancelled and its time limit is one a read, so that a server that sends a byte now and then
    would hold it: when our time is over its connections are shut, which ends it.
    """
    connections: list[http.client.HTTPConnection] = []
    asked = asyncio.create_task(asyncio.to_thread(_request_in_thread, action, connections))
    try:
        return await asyncio.shield(asked)
    except asyncio.CancelledError:
        asked.add_done_callback(_discard)
        for connection in connections:
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
        raise


def _discard(asked: asyncio.Task[Any]) -> None:
    """Takes the outcome of a request that nobody waits for any more, so that asyncio does not complain of it."""
    if not asked.cancelled():
        asked.exception()


def _request_in_thread(action: Request, connections: list[http.client.HTTPConnection]) -> Any:
    """One request with its redirects; the answer's body is read only where it is wanted.

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
        with opener.open(request, timeout=action.timeout_s) as answer:
            return _read(answer, host) if action.wants_answer else None
    except urllib.error.HTTPError as error:
        error.close()
        raise RoutineError(f"{host} answered {error.code} {one_line(error.reason)}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise error.reason from error
        raise RoutineError(f"{host} cannot be reached: {one_line(error.reason)}") from error
    except (http.client.HTTPException, ConnectionError) as error:
        raise RoutineError(f"{host} gave no proper answer: {one_line(error)}") from error


def _read(answer: Any, host: str) -> Any:
    body = answer.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        raise RoutineError(f"{host} answered with more than {MAX_ANSWER_BYTES} bytes")
    value = from_payload(body)
    if isinstance(value, str) and not body.lstrip().startswith(b'"'):
        raise RoutineError(f"{host} answered with something that is not JSON")
    return value


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


def one_line(reason: object) -> str:
    """A reason from outside, of bounded length and without line breaks."""
    return " ".join(str(reason).split())[:200] or type(reason).__name__
