import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from appliance.outputs.outbox import MAX_EVENT_BYTES, MAX_EVENTS, Outbox, Outgoing


def event(number, expires_s=3600.0, qos=1):
    return Outgoing("event", str(number).encode(), retain=False, qos=qos, expires_s=expires_s)


def drain(outbox, now_s=0.0):
    taken = []
    while (message := outbox.take(now_s)) is not None:
        taken.append((message.topic, message.payload))
    return taken


def test_a_state_keeps_its_last_value_and_the_place_of_its_first():
    outbox = Outbox()
    for number in range(1000):
        outbox.put_state("a", str(number).encode())
        outbox.put_state("b", str(-number).encode())
    assert drain(outbox) == [("a", b"999"), ("b", b"-999")]
    assert outbox.idle


def test_announce_sends_every_state_again_and_no_event():
    outbox = Outbox()
    outbox.put_state("b", b"1")
    outbox.put_state("a", b"2")
    outbox.put_event(event(1))
    drain(outbox)
    outbox.put_state("a", b"3")
    outbox.announce()
    assert drain(outbox) == [("b", b"1"), ("a", b"3")]


def test_the_ring_keeps_the_newest_and_counts_the_rest():
    outbox = Outbox()
    for number in range(MAX_EVENTS + 7):
        outbox.put_event(event(number))
    assert outbox.events_dropped == 7
    assert outbox.events_waiting == MAX_EVENTS
    assert drain(outbox)[0] == ("event", b"7")


def test_old_events_are_forgotten_and_counted():
    outbox = Outbox()
    outbox.put_event(event(1, expires_s=10.0))
    outbox.put_event(event(2, expires_s=20.0))
    assert drain(outbox, now_s=10.0) == [("event", b"2")]
    assert outbox.events_expired == 1


def test_what_comes_back_goes_first_in_its_order():
    outbox = Outbox()
    outbox.put_event(event(3))
    state = Outgoing("status", b"online", retain=True, qos=1, expires_s=None)
    outbox.give_back([event(1), state, event(0, qos=0), event(2)])
    assert drain(outbox) == [("event", b"1"), ("event", b"2"), ("event", b"3")]


def test_what_comes_back_makes_no_ring_too_long():
    outbox = Outbox()
    for number in range(MAX_EVENTS):
        outbox.put_event(event(number))
    outbox.give_back([event(-1)])
    assert outbox.events_waiting == MAX_EVENTS
    assert drain(outbox)[0] == ("event", b"0")


def test_a_day_without_a_broker_stays_small():
    tracemalloc.start()
    outbox = Outbox()
    for number in range(86_400):
        outbox.put_state(f"topic{number % 6}", b"x" * 200 + str(number).encode())
        outbox.put_event(event(number))
    size_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{size_bytes} bytes in memory")
    assert size_bytes < 1 << 20


def test_large_messages_leave_room_for_fewer():
    outbox = Outbox()
    large = Outgoing("home/picture", b"x" * 65_530, retain=False, qos=1, expires_s=3600.0)
    for _ in range(100):
        outbox.put_event(large)
    assert outbox.events_waiting == MAX_EVENT_BYTES // large.size_bytes
    assert outbox.events_dropped == 100 - outbox.events_waiting
    while outbox.take(0.0):
        pass
    outbox.put_event(event(1))
    outbox.give_back([large])
    assert outbox.events_waiting == 2


@given(st.lists(st.one_of(st.sampled_from(["take", "announce", "back"]), st.integers(0, 3)), max_size=MAX_EVENTS))
def test_no_event_is_taken_twice_or_out_of_order(steps):
    outbox, taken, sent = Outbox(), [], 0
    unacknowledged = []
    for step in steps:
        if step == "take":
            message = outbox.take(0.0)
            if message is not None and message.topic == "event":
                taken.append(int(message.payload))
                unacknowledged.append(message)
        elif step == "announce":
            outbox.announce()
        elif step == "back":
            outbox.give_back(unacknowledged)
            taken = taken[: len(taken) - len(unacknowledged)]
            unacknowledged.clear()
        elif step == 3:
            unacknowledged.clear()  # all acknowledged
            outbox.put_state("state", b"")
        else:
            outbox.put_event(event(sent))
            sent += 1
    taken += [int(payload) for topic, payload in drain(outbox) if topic == "event"]
    assert taken == list(range(sent))
