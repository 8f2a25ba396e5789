"""What others of this process listen to: routines' triggers, and values to announce."""

import pytest
from support.mosquitto import wait_until

from appliance.errors import PublishRejected


@pytest.fixture
def heard():
    return []


@pytest.fixture
def note(heard):
    def make(name):
        return lambda topic, payload, retained: heard.append((name, topic, payload, retained))

    return make


def test_each_listener_hears_a_message_once_although_filters_overlap(output, subscribe, heard, note):
    live = subscribe()
    for name, topic_filter in [("all", "home/#"), ("one", "home/+"), ("door", "home/door"), ("again", "home/door")]:
        output.subscribe(topic_filter, note(name))
    output.subscribe("ready", note("ready"))
    wait_until(lambda: live.publish("ready", b"") or heard, "all subscriptions")
    live.publish("home/door", b"open")
    live.publish("home/x/y", b"1")
    wait_until(lambda: ("all", "home/x/y", b"1", False) in heard, "the last message")
    # More than one "ready" may have been on its way.
    assert sorted(message for message in heard if message[0] != "ready") == [
        ("again", "home/door", b"open", False),
        ("all", "home/door", b"open", False),
        ("all", "home/x/y", b"1", False),
        ("door", "home/door", b"open", False),
        ("one", "home/door", b"open", False),
    ]


def test_subscriptions_are_made_again_and_a_retained_message_is_told_as_such(
    broker, make_output, subscribe, heard, note
):
    output = make_output(broker)
    output.subscribe("home/weather", note("weather"))
    output.start()
    wait_until(lambda: output.connected, "our connection")
    broker.restart()
    wait_until(lambda: not output.connected, "the loss seen")
    live = subscribe()
    live.publish("home/weather", b"rain", retain=True)
    wait_until(lambda: heard, "the message after the restart")
    assert heard[0][:3] == ("weather", "home/weather", b"rain")
    late = []
    output.subscribe("home/+", lambda *message: late.append(message))
    wait_until(lambda: late == [("home/weather", b"rain", True)], "what was retained")


def test_a_listener_that_raises_hinders_nobody(output, subscribe, heard, note):
    live = subscribe()

    def fail(*_):
        raise RuntimeError

    output.subscribe("home/#", fail)
    output.subscribe("home/door", note("door"))
    wait_until(lambda: live.publish("home/door", b"open") or len(heard) > 2, "messages")
    assert output.counts().callback_errors > 0
    assert output.connected


def test_the_end_of_a_subscription(broker, output, subscribe, heard, note):
    live = subscribe()
    end = output.subscribe("home/door", note("door"))
    stay = output.subscribe("home/door", note("stays"))
    wait_until(lambda: live.publish("home/door", b"open") or heard, "messages")
    end()
    end()
    heard.clear()
    wait_until(lambda: live.publish("home/door", b"open") or heard, "messages")
    assert {name for name, *_ in heard} == {"stays"}
    stay()
    output.subscribe("mark", note("mark"))
    heard.clear()
    wait_until(lambda: (live.publish("home/door", b"open"), live.publish("mark", b""), heard)[2], "the mark")
    assert {name for name, *_ in heard} == {"mark"}


def test_a_filter_no_broker_takes(output):
    with pytest.raises(PublishRejected, match="alone at the end"):
        output.subscribe("home/#/door", lambda *_: None)
