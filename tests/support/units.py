"""Many units in one process: a real MQTT connection each, through paho, driven by one selector.

    python -m support.units HOST PORT FIRST COUNT EVENTS_PER_UNIT INTERVAL_S

Each unit has its last will, says online, its presence and health, and then an event and a motion state each interval;
an event's cause is its number and the monotonic time in ns at which it was published. Prints `ready`, waits for a line,
prints `done` when all is acknowledged, waits for another and ends.
"""

import heapq
import selectors
import sys
import time
from datetime import UTC, datetime

from appliance.outputs.broker import BrokerSettings
from appliance.outputs.client import BrokerClient
from appliance.outputs.payloads import (
    HealthLevel,
    HealthState,
    MotionState,
    MotionStoppedMessage,
    PresenceState,
    Status,
    encode,
)
from appliance.types import Presence


class Unit:
    def __init__(self, settings, node):
        self.root = f"pipistrelle/{node}"
        self.acknowledged = 0
        self.published = 0
        self.ready = False
        self.client = BrokerClient(settings, client_id=f"pipistrelle-{node}")
        self.client.will_set(f"{self.root}/status", encode(Status.OFFLINE), qos=1, retain=True)
        self.client.on_connect = self._connected
        self.client.on_publish = self._acknowledged
        self.client.connect(settings.host, settings.port, keepalive=60)

    def publish(self, name, payload, *, retain):
        self.client.publish(f"{self.root}/{name}", payload, qos=1, retain=retain)
        self.published += 1

    def speak(self, number):
        state = MotionState(motion=bool(number % 2), kind=None, radial_mps=None, score=0.5)
        self.publish("motion", encode(state), retain=True)
        cause = f"{number} {time.monotonic_ns()}"
        event = MotionStoppedMessage(at=datetime.now(UTC), t_s=number, cause=cause, score=0.1, radial_mps=None)
        self.publish("event", encode(event), retain=False)

    def _connected(self, _client, _userdata, _flags, reason, _properties):
        assert not reason.is_failure, reason
        now = datetime.now(UTC)
        self.publish("status", encode(Status.ONLINE), retain=True)
        presence = PresenceState(presence=Presence.VACANT, since=now, confidence=0.9, cause="test")
        self.publish("presence", encode(presence), retain=True)
        counts = dict.fromkeys(
            ("lost_frames", "events_waiting", "events_dropped", "events_expired", "callback_errors"), 0
        )
        health = HealthState(state=HealthLevel.OK, faults=(), uptime_s=1.0, version="1", at=now, **counts)
        self.publish("health", encode(health), retain=True)
        self.ready = True

    def _acknowledged(self, *_):
        self.acknowledged += 1


class Units:
    def __init__(self, settings, first, count):
        self._selector = selectors.DefaultSelector()
        self.units = []
        for number in range(first, first + count):
            unit = Unit(settings, f"unit-{number:04}")
            self._selector.register(unit.client.socket(), selectors.EVENT_READ, unit)
            self.units.append(unit)
            self.turn(0.0)
        self._misc_s = time.monotonic()

    def turn(self, wait_s):
        for key, _ in self._selector.select(wait_s):
            key.data.client.loop_read(50)
        for unit in self.units:
            if unit.client.want_write():
                unit.client.loop_write()

    def run_until(self, condition, tick=lambda: None):
        while not condition():
            tick()
            self.turn(0.005)
            if time.monotonic() - self._misc_s > 5.0:
                self._misc_s = time.monotonic()
                for unit in self.units:
                    unit.client.loop_misc()


def main(host, port, first, count, events, interval_s):
    units = Units(BrokerSettings(host, int(port)), int(first), int(count))
    units.run_until(lambda: all(unit.ready and unit.acknowledged == unit.published for unit in units.units))
    print("ready", flush=True)
    sys.stdin.readline()
    begin_s, interval_s, events = time.monotonic(), float(interval_s), int(events)
    # Spread over the interval, as units that know nothing of each other are.
    due = [(begin_s + interval_s * place / len(units.units), place, 0) for place in range(len(units.units))]
    heapq.heapify(due)

    def tick():
        while due and due[0][0] <= time.monotonic():
            at_s, place, number = heapq.heappop(due)
            units.units[place].speak(number)
            if number + 1 < events:
                heapq.heappush(due, (at_s + interval_s, place, number + 1))

    units.run_until(lambda: not due and all(unit.acknowledged == unit.published for unit in units.units), tick)
    print("done", time.monotonic() - begin_s, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
