"""The private broker itself."""

import socket

import pytest
from support.mosquitto import Subscriber

from appliance.cli.broker import PrivateBroker
from appliance.errors import BrokerUnavailable


def answers(broker):
    with socket.socket() as probe:
        return probe.connect_ex((broker.host, broker.port)) == 0


def test_it_comes_back_on_its_port_and_has_forgotten_all(broker, subscribe):
    subscribe().publish("a", b"1", retain=True)
    port = broker.port
    broker.restart()
    assert broker.port == port
    late = subscribe()
    late.publish("b", b"2")
    late.wait_for("b", b"2")
    assert late.on("a") == []


def test_two_stand_side_by_side_and_stop_may_be_said_twice(tmp_path):
    with PrivateBroker(tmp_path / "one") as one, PrivateBroker(tmp_path / "two") as two:
        assert one.port != two.port
        one.stop()
        one.stop()
        assert not answers(one)
        assert answers(two)


def test_users_and_their_passwords(tmp_path):
    with PrivateBroker(tmp_path, users={"bat": "right"}) as broker:
        subscriber = Subscriber(broker, user="bat", password="right")
        subscriber.close()
        assert "right" not in (tmp_path / "passwords").read_text()


def test_without_mosquitto_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("appliance.cli.broker.find_mosquitto", lambda: None)
    with pytest.raises(BrokerUnavailable, match="not installed"):
        PrivateBroker(tmp_path).start()


def test_a_broker_that_cannot_start_names_its_log(tmp_path):
    broker = PrivateBroker(tmp_path, acl="nonsense here\n")
    with pytest.raises(BrokerUnavailable, match=str(broker.log)):
        broker.start()
