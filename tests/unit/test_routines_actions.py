"""Effects for real: a local HTTP server that hangs and fails, programs that never end, a player that is not there."""

import asyncio
import http.server
import os
import sys
import threading

import pytest

from appliance.errors import RoutineError
from appliance.routines.actions import NO_PLAYER, ActionRunner, arguments
from appliance.routines.effects import Announce, Play, Publish, Request, Start, StopPlaying, SwitchEmission


def webhook(url, *, json=None, method="POST", timeout_s=5.0, wants_answer=False):
    return Request(url, method, json, timeout_s, wants_answer)


def command(name, timeout_s=10.0, **values):
    return Start(name, values, timeout_s)


class Outside:
    """What a runner is given: keeps what was published and switched."""

    def __init__(self):
        self.published, self.switched = [], []

    def publish(self, topic, payload, *, retain, qos):
        if payload == b"bad":
            raise KeyError("no such\nthing")
        self.published.append((topic, payload, retain, qos))

    def runner(self, player=None, **commands):
        return ActionRunner(
            publish=self.publish, commands=commands, switch_emission=self.switched.append, player=player
        )

    def run(self, effect, player=None, **commands):
        """The answer of an effect; its error as text."""
        try:
            return asyncio.run(self.runner(player, **commands).perform(effect))
        except RoutineError as error:
            return str(error)


@pytest.fixture
def outside():
    return Outside()


# At once


def test_a_message_and_the_tweeter_take_no_time(outside):
    runner = outside.runner()
    assert runner.at_once(Publish("a/b", b"ON", retain=True, qos=2))
    assert runner.at_once(SwitchEmission(on=False))
    assert not runner.at_once(command("x"))
    assert not runner.at_once(webhook("http://a"))
    assert outside.published == [("a/b", b"ON", True, 2)]
    assert outside.switched == [False]


def test_whatever_is_raised_is_one_line(outside):
    with pytest.raises(RoutineError, match="thing") as told:
        outside.runner().at_once(Publish("a/b", b"bad", retain=False, qos=0))
    assert len(str(told.value).splitlines()) == 1


# Sounds


class FakePlayer:
    def __init__(self):
        self.heard, self.cut = [], 0

    async def play(self, media, *, level_db):
        self.heard.append((media, level_db))
        if media == "/gone":
            raise RoutineError("/gone: no such file")
        if media == "/endless":
            try:
                await asyncio.Event().wait()
            finally:
                self.cut += 1

    async def announce(self, text, *, language, level_db):
        self.heard.append((text, language, level_db))

    def stop(self):
        self.heard.append("stop")


def test_a_player_gets_what_the_routine_says(outside):
    player = FakePlayer()
    assert outside.run(Play("/a.flac", -6.0), player) is None
    assert outside.run(Announce("hello", "de", 0.0), player) is None
    assert outside.runner(player).at_once(StopPlaying())
    assert player.heard == [("/a.flac", -6.0), ("hello", "de", 0.0), "stop"]
    assert outside.run(Play("/gone", 0.0), player) == "/gone: no such file"


def test_what_is_played_ends_when_its_run_is_ended(outside):
    player = FakePlayer()

    async def scene():
        task = asyncio.create_task(outside.runner(player).perform(Play("/endless", 0.0)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert player.cut == 1


@pytest.mark.parametrize("effect", [Play("/a", 0.0), Announce("a", "en", 0.0), StopPlaying()])
def test_without_a_player_there_is_a_plain_word(outside, effect):
    assert outside.run(effect) == NO_PLAYER


# Webhooks


class Handler(http.server.BaseHTTPRequestHandler):
    def _answer(self):
        length = int(self.headers.get("Content-Length", 0))
        self.server.requests.append((self.command, self.path, self.headers, self.rfile.read(length)))
        what, _, rest = self.path[1:].partition("/")
        if what == "hang":
            self.server.over.wait()
        elif what == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.server.over.wait(0.02):
                self.wfile.write(b".")
        elif what == "endless":
            self.send_response(int(rest))
            self.send_header("Location", "/ok")
            self.end_headers()
            while not self.server.over.is_set():
                self.wfile.write(b"." * 65_536)
        elif what == "redirect":
            self.send_response(302)
            self.send_header("Location", rest)
            self.end_headers()
        elif what == "nonsense":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
        elif what == "close":
            pass
        elif what == "body":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.body)
        else:
            self.send_response(int(rest or 200))
            self.end_headers()

    do_GET = do_POST = do_PUT = _answer  # noqa: N815  the names are http.server's

    def log_message(self, *args):
        pass

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            self.server.cut.set()


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.over, server.cut = [], threading.Event(), threading.Event()
    server.host = f"127.0.0.1:{server.server_port}"
    server.url = f"http://{server.host}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_posts_json(outside, server):
    assert outside.run(webhook(f"{server.url}/ok?x=1", json='{"a":["ä",null]}'.encode())) is None
    ((method, path, headers, body),) = server.requests
    assert (method, path, body) == ("POST", "/ok?x=1", '{"a":["ä",null]}'.encode())
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "pipistrelle"


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_webhook_without_json_has_no_body(outside, server, method):
    assert outside.run(webhook(f"{server.url}/ok", method=method)) is None
    assert [(sent[0], sent[3]) for sent in server.requests] == [(method, b"")]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/status/500", "{host} answered 500 Internal Server Error"),
        ("/status/404", "{host} answered 404 Not Found"),
        ("/nonsense", "{host} gave no proper answer: this is not HTTP"),
        ("/close", "{host} gave no proper answer: Remote end closed connection without response"),
        ("/redirect/ftp://127.0.0.1/x", "redirects to an address that is neither http nor https"),
        (
            "/redirect/file:///etc/passwd",
            "{host} answered 302 Found - Redirection to url 'file:///etc/passwd' is not allowed",
        ),
    ],
)
def test_a_webhook_that_fails(outside, server, path, fault):
    assert outside.run(webhook(server.url + path)) == fault.format(host=server.host)


def test_a_webhook_without_a_server(outside, server):
    server.shutdown()
    server.server_close()
    said = outside.run(webhook(f"{server.url}/?token=secret"))
    assert said == f"{server.host} cannot be reached: [Errno 111] Connection refused"


def test_a_redirect_to_http_is_followed(outside, server):
    assert outside.run(webhook(f"{server.url}/redirect/{server.url}/ok")) is None
    assert [sent[1] for sent in server.requests][1:] == ["/ok"]


def test_a_redirect_in_a_circle_ends(outside, server):
    assert "302" in outside.run(webhook(f"{server.url}/redirect//redirect/", method="GET"))


@pytest.mark.parametrize("status", [200, 302, 500])
def test_a_body_without_end_is_not_read(outside, server, status):
    said = outside.run(webhook(f"{server.url}/endless/{status}", method="GET"))
    assert (said is not None) == (status == 500)
    assert server.cut.wait(5)


def test_a_wanted_answer_is_read_to_a_limit(outside, server):
    said = outside.run(webhook(f"{server.url}/endless/200", method="GET", wants_answer=True))
    assert said == f"{server.host} answered with more than 65536 bytes"
    assert server.cut.wait(5)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ('{"minutes": [25, "ä"]}', {"minutes": [25, "ä"]}),
        ("5", 5),
        ('"a"', "a"),
        ("", "{host} answered with something that is not JSON"),
        ("<html>", "{host} answered with something that is not JSON"),
        ("[" * 60_000, "{host} answered with something that is not JSON"),
        ("NaN", "{host} answered with something that is not JSON"),
    ],
)
def test_an_answer_is_json(outside, server, body, answer):
    server.body = body.encode()
    wanted = answer.format(host=server.host) if isinstance(answer, str) else answer
    assert outside.run(webhook(f"{server.url}/body", method="GET", wants_answer=True)) == wanted


@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_a_webhook_that_hangs_is_given_up_and_its_thread_ends(outside, server, path):
    # asyncio.run waits for the thread: that it returns shows that the connection was shut.
    assert outside.run(webhook(server.url + path, timeout_s=0.3)) == "not done within 0.3 s"
    assert not server.over.is_set()


# Commands


def test_a_command_gets_its_arguments_without_a_shell(outside, tmp_path):
    file = tmp_path / "a b; $HOME"
    write = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(repr((sys.argv[2:], sys.stdin.read())))"
    argv = (sys.executable, "-c", write, str(file), "$(id)", "*", "")
    assert outside.run(command("write"), write=argv) is None
    assert file.read_text() == "(['$(id)', '*', ''], '')"


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["sh", "-c", "echo lost; exit 3"], "x ended with exit code 3"),
        (["sh", "-c", "kill -TERM $$"], "x was ended by signal 15"),
        (["/no/such/program"], "x cannot be started: No such file or directory"),
        (["/etc/passwd"], "x cannot be started: Permission denied"),
    ],
)
def test_a_command_that_fails(outside, argv, fault):
    assert outside.run(command("x"), x=argv) == fault


def test_a_command_outside_of_the_allow_list_is_not_started(outside):
    said = outside.run(command("x"), y=["true"])
    assert said == "x is not a command of routines.commands in the configuration"


def test_a_value_stays_one_argument_and_never_is_the_program(outside, tmp_path):
    argv = ["{program}", "-x", "{text}", "{text}s", "{other}"]
    values = {"program": "rm", "text": "a b; $(id) `id` > x", "other2": "y"}
    assert arguments(argv, values) == ["{program}", "-x", "a b; $(id) `id` > x", "{text}s", "{other}"]
    write = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(repr(sys.argv[2:]))"
    values = {"text": "$(touch x); '\"\n*", "": "no"}
    argv = [sys.executable, "-c", write, str(tmp_path / "out"), "{text}", "{}"]
    assert outside.run(Start("say", values, 10.0), say=argv) is None
    assert (tmp_path / "out").read_text() == repr(["$(touch x); '\"\n*", "no"])


def test_much_output_blocks_no_command(outside):
    assert outside.run(command("x"), x=["sh", "-c", "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2"]) is None


def test_a_child_that_outlives_its_program_is_not_waited_for(outside, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)
    assert outside.run(command("x"), x=["sh", "-c", f"read end <'{fifo}' & exit 0"]) is None
    os.write(holder, b"\n")
    os.close(holder)


FORKS_AND_NEVER_ENDS = "exec 3>'%s'; trap '' TERM HUP INT; sleep 1000 & echo started >&3; sleep 1000; sleep 1000"


def test_a_command_that_never_ends_is_killed_with_its_children(outside, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    said = outside.run(command("x", timeout_s=1), x=["sh", "-c", FORKS_AND_NEVER_ENDS % fifo])
    assert said == "not done within 1 s"
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as held:
        assert held.read() == b"started\n", "the end of the file comes when the last process is gone"


def test_a_command_is_killed_with_its_children_when_the_service_stops(outside, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def stop_when_started():
        task = asyncio.create_task(
            outside.runner(x=["sh", "-c", FORKS_AND_NEVER_ENDS % fifo]).perform(command("x", timeout_s=600))
        )
        with await asyncio.to_thread(open, fifo, "rb") as held:
            assert await asyncio.to_thread(held.readline) == b"started\n"
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asyncio.to_thread(held.read)

    assert asyncio.run(stop_when_started()) == b""
