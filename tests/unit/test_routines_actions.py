"""Actions for real: a local HTTP server that hangs and fails, programs that never end, and order between routines."""

import asyncio
import http.server
import os
import sys
import threading
from datetime import UTC, datetime

import pytest

from appliance.routines.actions import MAX_WAITING, ActionRunner
from appliance.routines.engine import Firing
from appliance.routines.schema import Routine

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def firing(*actions, routine="r"):
    rule = Routine.model_validate({"id": routine, "triggers": [{"trigger": "motion"}], "actions": list(actions)})
    return Firing(rule.id, rule.actions, "the test", NOON)


def publish_action(payload="x", **more):
    return {"action": "mqtt.publish", "topic": "a/b", "payload": payload} | more


def webhook(url, **more):
    return {"action": "webhook", "url": url} | more


def command(name, **more):
    return {"action": "command", "command": name} | more


class Outside:
    """What a runner is given: keeps what was published and which errors were reported."""

    def __init__(self):
        self.published = []
        self.errors = []

    def publish(self, topic, payload, retain, qos):
        self.published.append((topic, payload, retain, qos))

    def runner(self, publish=None, **commands):
        return ActionRunner(publish=publish or self.publish, commands=commands, on_error=self.errors.append)

    def run(self, *actions, **commands):
        asyncio.run(self.runner(**commands).run(firing(*actions)))
        return self.errors


@pytest.fixture
def outside():
    return Outside()


# MQTT


def test_publish_gets_what_the_routine_says(outside):
    assert outside.run(publish_action("ON"), publish_action({"a": 1}, retain=True, qos=2)) == []
    assert outside.published == [("a/b", b"ON", False, 1), ("a/b", b'{"a":1}', True, 2)]


def test_an_asynchronous_publish_is_awaited(outside):
    async def publish(topic, payload, *, retain, qos):
        await asyncio.sleep(0)
        outside.publish(topic, payload, retain, qos)

    asyncio.run(outside.runner(publish).run(firing(publish_action())))
    assert outside.published == [("a/b", b"x", False, 1)]


def test_an_error_names_routine_and_action_and_ends_the_firing_but_no_other(outside):
    def publish(topic, payload, retain, qos):
        if payload == b"bad":
            raise KeyError("no such\nthing")
        outside.publish(topic, payload, retain, qos)

    async def both():
        runner = outside.runner(publish)
        await runner.run(firing(publish_action("1"), publish_action("bad"), publish_action("2")))
        await runner.run(firing(publish_action("3")))

    asyncio.run(both())
    assert outside.errors == ["routine r: action 2 (mqtt.publish): 'no such\\nthing'"]
    assert [payload for _, payload, _, _ in outside.published] == [b"1", b"3"]


def test_a_publish_that_never_ends_is_given_up(outside, monkeypatch):
    monkeypatch.setattr("appliance.routines.actions.PUBLISH_TIMEOUT_S", 0.01)

    async def publish(topic, payload, *, retain, qos):
        await asyncio.Event().wait()

    asyncio.run(outside.runner(publish).run(firing(publish_action())))
    assert outside.errors == ["routine r: action 1 (mqtt.publish): not done within 0.01 s"]


# Order


def test_one_routine_waits_for_itself_and_not_for_others(outside):
    async def scene():
        gate, begun = asyncio.Event(), []

        async def publish(topic, payload, *, retain, qos):
            begun.append(payload)
            if payload == b"first":
                await gate.wait()

        runner = outside.runner(publish)
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.run(firing(publish_action("first"), publish_action("first, then"))))
            group.create_task(runner.run(firing(publish_action("second"))))
            await asyncio.sleep(0)
            await runner.run(firing(publish_action("other"), routine="other"))
            assert begun == [b"first", b"other"]
            gate.set()
        return begun

    assert asyncio.run(scene()) == [b"first", b"other", b"first, then", b"second"]


def test_firings_that_pile_up_are_dropped_and_reported(outside):
    async def scene():
        gate = asyncio.Event()

        async def publish(topic, payload, *, retain, qos):
            outside.publish(topic, payload, retain, qos)
            await gate.wait()

        runner = outside.runner(publish)
        async with asyncio.TaskGroup() as group:
            for _ in range(1 + MAX_WAITING + 2):
                group.create_task(runner.run(firing(publish_action())))
            await asyncio.sleep(0)
            await runner.run(firing(publish_action()))
            gate.set()

    asyncio.run(scene())
    assert outside.errors == ["routine r: dropped a firing, 10 wait already (the test)"] * 3
    assert len(outside.published) == 1 + MAX_WAITING


def test_a_firing_that_is_cancelled_while_it_waits_frees_its_place(outside):
    async def scene():
        gate = asyncio.Event()

        async def publish(topic, payload, *, retain, qos):
            await gate.wait()
            outside.publish(topic, payload, retain, qos)

        runner = outside.runner(publish)
        first = asyncio.create_task(runner.run(firing(publish_action())))
        waiting = [asyncio.create_task(runner.run(firing(publish_action()))) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        last = asyncio.create_task(runner.run(firing(publish_action("last"))))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, last)

    asyncio.run(scene())
    assert outside.errors == []
    assert [payload for _, payload, _, _ in outside.published] == [b"x", b"last"]


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
    assert outside.run(webhook(f"{server.url}/ok?x=1", json={"a": ["ä", None]})) == []
    ((method, path, headers, body),) = server.requests
    assert (method, path, body) == ("POST", "/ok?x=1", '{"a":["ä",null]}'.encode())
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "pipistrelle"


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_webhook_without_json_has_no_body(outside, server, method):
    assert outside.run(webhook(f"{server.url}/ok", method=method)) == []
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
    outside.run(webhook(server.url + path), publish_action())
    assert outside.errors == [f"routine r: action 1 (webhook): {fault.format(host=server.host)}"]
    assert outside.published == []


def test_a_webhook_without_a_server(outside, server):
    server.shutdown()
    server.server_close()
    assert outside.run(webhook(f"{server.url}/?token=secret")) == [
        f"routine r: action 1 (webhook): {server.host} cannot be reached: [Errno 111] Connection refused"
    ]


def test_a_redirect_to_http_is_followed(outside, server):
    assert outside.run(webhook(f"{server.url}/redirect/{server.url}/ok")) == []
    assert [sent[1] for sent in server.requests][1:] == ["/ok"]


def test_a_redirect_in_a_circle_ends(outside, server):
    (error,) = outside.run(webhook(f"{server.url}/redirect//redirect/", method="GET"))
    assert "302" in error


@pytest.mark.parametrize("status", [200, 302, 500])
def test_a_body_without_end_is_not_read(outside, server, status):
    outside.run(webhook(f"{server.url}/endless/{status}", method="GET"))
    assert len(outside.errors) == (status == 500)
    assert server.cut.wait(5)


@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_a_webhook_that_hangs_is_given_up_and_its_thread_ends(outside, server, path):
    # asyncio.run waits for the thread: that it returns shows that the connection was shut.
    assert outside.run(webhook(server.url + path, timeout_s=0.3)) == [
        "routine r: action 1 (webhook): not done within 0.3 s"
    ]
    assert not server.over.is_set()


# Commands


def test_a_command_gets_its_arguments_without_a_shell(outside, tmp_path):
    file = tmp_path / "a b; $HOME"
    write = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(repr((sys.argv[2:], sys.stdin.read())))"
    argv = (sys.executable, "-c", write, str(file), "$(id)", "*", "")
    assert outside.run(command("write"), write=argv) == []
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
    assert outside.run(command("x"), x=argv) == [f"routine r: action 1 (command): {fault}"]


def test_a_command_outside_of_the_allow_list_is_not_started(outside):
    assert outside.run(command("x"), y=["true"]) == [
        "routine r: action 1 (command): x is not a command of routines.commands in the configuration"
    ]


def test_much_output_blocks_no_command(outside):
    assert outside.run(command("x"), x=["sh", "-c", "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2"]) == []


def test_a_child_that_outlives_its_program_is_not_waited_for(outside, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)
    assert outside.run(command("x"), x=["sh", "-c", f"read end <'{fifo}' & exit 0"]) == []
    os.write(holder, b"\n")
    os.close(holder)


FORKS_AND_NEVER_ENDS = "exec 3>'%s'; trap '' TERM HUP INT; sleep 1000 & echo started >&3; sleep 1000; sleep 1000"


def test_a_command_that_never_ends_is_killed_with_its_children(outside, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert outside.run(command("x", timeout_s=1), x=["sh", "-c", FORKS_AND_NEVER_ENDS % fifo]) == [
        "routine r: action 1 (command): not done within 1 s"
    ]
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as held:
        assert held.read() == b"started\n", "the end of the file comes when the last process is gone"


def test_a_command_is_killed_with_its_children_when_the_service_stops(outside, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def stop_when_started():
        task = asyncio.create_task(
            outside.runner(x=["sh", "-c", FORKS_AND_NEVER_ENDS % fifo]).run(firing(command("x", timeout_s=600)))
        )
        with await asyncio.to_thread(open, fifo, "rb") as held:
            assert await asyncio.to_thread(held.readline) == b"started\n"
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asyncio.to_thread(held.read)

    assert asyncio.run(stop_when_started()) == b""
    assert outside.errors == []
