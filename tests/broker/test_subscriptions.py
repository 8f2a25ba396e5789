"""What others of this process listen to: routines' triggers, and values to announce."""

import pytest
from support.mosquitto import wait_until

from appliance.errors import PublishRejected
from appliance.outputs.client import BrokerClient


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


def test_a_subscription_made_while_the_others_are_asked_for_is_not_lost(
    broker, make_output, subscribe, heard, note, monkeypatch
):
    live = subscribe()
    output = make_output(broker)
    ask, late = BrokerClient.subscribe, []

    def ask_and_be_late(client, *args, **kwargs):
        if not late:
            late.append(output.subscribe("home/late", note("late")))
        return ask(client, *args, **kwargs)

    monkeypatch.setattr(BrokerClient, "subscribe", ask_and_be_late)
    output.start()
    wait_until(lambda: output.connected, "our connection")
    wait_until(lambda: live.publish("home/late", b"1") or heard, "the message")
    assert heard[0] == ("late", "home/late", b"1", False)


def test_a_subscription_that_ends_while_it_is_asked_for_hinders_nobody(
    broker, make_output, subscribe, heard, note, monkeypatch
):
    live = subscribe()
    output = make_output(broker)
    end = output.subscribe("home/brief", note("brief"))
    output.subscribe("home/door", note("door"))
    ask = BrokerClient.subscribe

    def end_and_ask(client, *args, **kwargs):
        end()
        return ask(client, *args, **kwargs)

    monkeypatch.setattr(BrokerClient, "subscribe", end_and_ask)
    output.start()
    wait_until(lambda: output.connected, "our connection")
    output.subscribe("home/new", note("new"))
    # Whoever hears "new" has been given all that was asked for before.
    wait_until(lambda: live.publish("home/new", b"1") or heard, "the newest subscription")
    for name in ("brief", "door"):
        live.publish(f"home/{name}", b"1")
    wait_until(lambda: heard[-1][0] == "door", "the last message")
    assert {name for name, *_ in heard} == {"new", "door"}
    assert output.counts().callback_errors == 0


def test_the_end_of_a_subscription(output, subscribe, heard, note):
    live = subscribe()
    end = output.subscribe("home/door", note("door"))
    stay = output.subscribe("home/door", note("stays"))
    wait_until(lambda: live.publish("home/door", b"open") or len(heard) > 1, "messages")

    def hear(payload):
        """Who hears it; a message of before may still be on its way."""
        wait_until(
            lambda: live.publish("home/door", payload) or [each for each in heard if each[2] == payload], payload
        )
        return {name for name, _topic, said, _retained in heard if said == payload}

    end()
    end()
    assert hear(b"later") == {"stays"}
    stay()
    output.subscribe("home/+", note("mark"))
    assert hear(b"last") == {"mark"}


def test_a_filter_no_broker_takes(output):
    with pytest.raises(PublishRejected, match="alone at the end"):
        output.subscribe("home/#/door", lambda *_: None)
