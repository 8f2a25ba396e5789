"""The engine: what fires, when, why not, and that nothing fires twice or gets lost."""

import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from support.routines import (
    NOON,
    PUBLISH,
    STOPPED,
    becomes,
    bench,
    delay,
    health,
    motion,
    mqtt,
    presence,
    routine,
    set_value,
    started,
    updated,
)

from appliance.events import DeviceLost, EmissionChanged
from appliance.routines.effects import Announce, Instant, Publish, Request, Start, SwitchEmission
from appliance.routines.engine import Engine
from appliance.routines.outcome import Outcome
from appliance.routines.sun import SunTimes
from appliance.types import Presence, Tones

BERLIN = ZoneInfo("Europe/Berlin")
BERLIN_SUN = SunTimes(52.52, 13.4)


def is_state(name, state):
    return {"condition": "state", "name": name, "state": state}


# Presence and `for`


def test_presence_fires_at_once_and_says_why():
    table = bench(routine(presence("occupied")))
    assert table.event(becomes("occupied"), 5) == ["r"]
    assert table.words == ["presence occupied", ""]
    assert table.done == [Publish("a", b"x", retain=False, qos=1)]
    assert table.engine.next_deadline_s() is None


def test_a_repeated_state_is_no_change():
    table = bench(routine(presence("occupied")))
    assert [table.event(becomes(state)) for state in ("occupied", "occupied", "vacant", "occupied")] == [
        ["r"], [], [], ["r"],
    ]  # fmt: skip


def test_other_events_and_no_routines_do_nothing():
    table = bench(routine(presence("occupied"), motion()))
    assert table.event(EmissionChanged(0.0, Tones((40_000.0,), 75.0), "x")) == []
    assert bench().event(becomes("occupied")) == []


def test_for_fires_once_when_it_is_over():
    table = bench(routine(presence("vacant", 10)))
    assert table.event(becomes("vacant")) == []
    assert table.engine.next_deadline_s() == 10.0
    assert table.look(9.999) == []
    assert table.look(10) == ["r"]
    assert table.engine.next_deadline_s() is None
    assert table.look(1000) == []
    assert table.event(becomes("vacant"), 2000) == []
    assert table.engine.next_deadline_s() is None, "once a stay"


def test_for_is_cancelled_when_the_state_is_left_and_starts_anew():
    table = bench(routine(presence("vacant", 10)))
    table.event(becomes("vacant"), 0)
    assert table.event(becomes("occupied"), 9) == []
    assert table.engine.next_deadline_s() is None
    table.event(becomes("vacant"), 9.5)
    assert table.look(19) == []
    assert table.look(19.5) == ["r"]


def test_for_that_was_over_before_the_state_was_left_is_not_lost():
    table = bench(routine(presence("vacant", 10), conditions=[{"condition": "presence", "state": "vacant"}]))
    table.event(becomes("vacant"), 0)
    assert table.event(becomes("occupied"), 10) == ["r"]


def test_timers_that_are_due_fire_by_deadline_then_in_the_order_of_the_file():
    table = bench(
        routine(presence("vacant", 20), name="late"),
        routine(presence("vacant", 10), name="first"),
        routine(presence("vacant", 10), presence("vacant", 15), name="second"),
    )
    table.event(becomes("vacant"), 0)
    assert table.look(60) == ["first", "second", "second", "late"]


def test_two_triggers_at_one_instant_fire_a_routine_once():
    table = bench(
        routine(motion(), motion(kind="major"), presence("vacant"), presence("vacant", 5), presence("vacant", 5))
    )
    assert table.event(started()) == ["r"]
    assert table.event(becomes("vacant")) == ["r"]
    assert table.look(5) == ["r"]


@pytest.mark.parametrize(
    ("if_already", "for_s", "at_start", "fired"),
    [
        ("start", 10, [], ["r"]),
        ("fire", 10, ["r"], []),
        ("ignore", 10, [], []),
        ("start", 0, [], []),
        ("fire", 0, ["r"], []),
    ],
)
def test_what_a_state_means_that_holds_already(if_already, for_s, at_start, fired):
    rule = routine(presence("unknown", for_s, if_already=if_already))
    table = bench()
    assert table.take(table.engine.reload([rule], table.at(3))) == at_start
    assert table.look(12.9) == []
    assert table.look(13) == fired
    fresh = bench(rule)
    assert [note for note in fresh.notes if note[1] is Outcome.FIRED] == [("r", Outcome.FIRED) for _ in at_start]
    assert fresh.look(10) == fired


# Motion


@pytest.mark.parametrize(
    ("trigger", "events", "fired"),
    [
        ({}, [started("minor"), updated("major"), STOPPED, started("minor")], [1, 0, 0, 1]),
        ({"kind": "major"}, [started("minor"), updated("major"), updated("minor"), updated("major")], [0, 1, 0, 0]),
        ({"kind": "major"}, [started("major"), STOPPED, started("major"), started("major")], [1, 0, 1, 1]),
        ({"kind": "major"}, [updated("major"), started("minor"), STOPPED, updated("major")], [0, 0, 0, 0]),
        ({"direction": "towards"}, [started(), updated(radial_mps=-1.0), updated(radial_mps=0.2)], [0, 0, 1]),
        ({"direction": "away"}, [started(radial_mps=1.0), updated(radial_mps=-0.1)], [0, 1]),
        ({"speed_above_mps": 0.5}, [started(radial_mps=0.5), updated(radial_mps=-0.6)], [0, 1]),
        ({"speed_below_mps": 0.5}, [started(radial_mps=0.5), updated(), updated(radial_mps=0.4)], [0, 0, 1]),
        (
            {"speed_above_mps": 0.2, "speed_below_mps": 0.5, "direction": "away", "kind": "minor"},
            [started("minor", -0.1), updated("minor", 0.3), updated("major", -0.3), updated("minor", -0.3)],
            [0, 0, 0, 1],
        ),
    ],
)
def test_motion_fires_once_a_motion(trigger, events, fired):
    table = bench(routine(motion(**trigger)))
    assert [len(table.event(event)) for event in events] == fired


# MQTT and values


@pytest.mark.parametrize(
    ("trigger", "payload", "fires"),
    [
        ({}, b"", True),
        ({"payload": "on"}, b"on", True),
        ({"payload": "on"}, b"ON", False),
        ({"payload": 5}, b"5", True),
        ({"payload": True}, b"true", True),
        ({"payload": "on", "value": "a.b.1"}, b'{"a": {"b": ["off", "on"]}}', True),
        ({"payload": 21.0, "value": "t"}, b'{"t": 21}', True),
        ({"payload": "on", "value": "a"}, b"on", False),
        ({"payload": "on", "value": "a.b"}, b'{"a": "on"}', False),
        ({"payload": "on"}, b"\xff\xfe", False),
        ({"payload": "x", "value": "a"}, b"[" * 60_000, False),
        ({"payload": "x", "value": "a"}, b'{"a": ' + b"9" * 5000 + b"}", False),
    ],
)
def test_messages(trigger, payload, fires):
    table = bench(routine(mqtt(**trigger)))
    assert table.engine.topics == {"go"}
    assert table.message(payload=payload) == (["r"] if fires else [])
    assert table.message("other", payload) == []
    assert table.message(payload=payload, retained=True) == [], "a retained message tells of the past"


def announce(text, **more):
    return routine(mqtt(), actions=[{"action": "announce", "text": text}], **more)


WEATHER = {"sky": {"topic": "weather", "value": "now.sky"}, "all": {"topic": "weather"}, "noise": {"topic": "noise"}}


def test_values_come_from_retained_messages():
    table = bench(announce("It is {sky}, {all.t} and {noise}.", variables=WEATHER))
    assert table.engine.topics == {"go", "weather", "noise"}
    table.message("weather", b'{"now": {"sky": "gr\xc3\xbcn"}, "t": 4.50}', retained=True)
    table.message("noise", b"lo\xffud", retained=True)
    table.message()
    assert table.done == [Announce("It is grün, 4.5 and lo\ufffdud.", "en", 0.0)]


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "the value sky is missing: weather has sent no message yet"),
        ([b"{}"], "sky (weather) has no value now"),
        ([b'{"now": {"sky": 1}}', b""], "the value sky is missing: weather has sent no message yet"),
    ],
)
def test_an_announcement_whose_topic_never_came(messages, why):
    table = bench(announce("It is {sky}.", variables=WEATHER))
    for payload in messages:
        table.message("weather", payload, retained=True)
    table.message()
    assert table.notes[-1] == ("r", Outcome.FAILED)
    assert table.words[-1] == f"routine r: action 1 (announce): {why}"
    assert table.done == []


def test_values_are_set_and_asked_for():
    table = bench(
        routine(mqtt(), actions=[set_value("level", "{trigger.payload.level}"), set_value("name", "l{level}")]),
        routine(mqtt("ask"), name="ask", conditions=[is_state("level", 3), is_state("name", "l3")]),
    )
    assert table.message("ask") == []
    assert "the value level was never set" in table.words[-1]
    table.message(payload=b'{"level": 3}')
    assert table.engine.facts.values == {"level": 3, "name": "l3"}
    assert table.message("ask") == ["ask"]
    table.message(payload=b'{"level": 4}')
    assert table.message("ask") == []
    assert table.words[-1] == "condition 1: level is 4, not 3 (message x on ask)"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("trigger.payload.t > 20 and presence == 'unknown'", None),
        ("max(trigger.payload.t, 3) * 2 == 50", None),
        ("trigger.payload['t'] in [24, 25]", None),
        ("trigger.payload.t < 20", 'condition 1: trigger.payload.t < 20 is false (message {"t": 25} on go)'),
        ("trigger.payload.x", "routine r: a condition cannot be judged: trigger has no value x"),
        ("trigger.payload.t / 0", "the expression cannot be evaluated: division by zero"),
        ("trigger.payload.t + 'a'", "the expression cannot be evaluated: unsupported operand"),
        ("'a' * 1000000", "the expression cannot be evaluated: * wants numbers"),
        ("'%99999999d' % 5", "the expression cannot be evaluated: % wants numbers"),
    ],
)
def test_expressions(expression, said):
    table = bench(routine(mqtt(), conditions=[{"condition": "expression", "expression": expression}]))
    fired = table.message(payload=b'{"t": 25}')
    assert fired == ([] if said else ["r"])
    assert said is None or said in table.words[-1]


# Health


def test_faults_appear_and_go():
    table = bench(
        routine({"trigger": "health", "event": "appears", "fault": "silence"}, name="silent"),
        routine({"trigger": "health", "event": "goes", "fault": "silence"}, name="heard"),
        routine({"trigger": "health", "event": "appears"}, name="ill"),
        routine({"trigger": "health", "event": "goes"}, name="well"),
    )
    sequence = [("clipping",), ("clipping", "silence"), ("clipping", "silence"), ("clipping",), ()]
    assert [table.event(health(*faults)) for faults in sequence] == [["ill"], ["silent"], [], ["heard"], ["well"]]
    assert table.event(DeviceLost(0.0, "hw:0", "gone")) == ["ill"]


# Modes, cooldown, waiting


WAITS = [delay(10), {"action": "mqtt.publish", "topic": "a", "payload": "{trigger.payload}"}]


@pytest.mark.parametrize(
    ("mode", "payloads", "dropped"),
    [
        ({"mode": "single"}, [b"0"], 3),
        ({"mode": "restart"}, [b"3"], 0),
        ({"mode": "queued"}, [b"0", b"1", b"2", b"3"], 0),
        ({"mode": "queued", "max": 2}, [b"0", b"1"], 2),
        ({"mode": "parallel"}, [b"0", b"1", b"2", b"3"], 0),
        ({"mode": "parallel", "max": 2}, [b"0", b"1"], 2),
    ],
)
def test_modes(mode, payloads, dropped):
    table = bench(routine(mqtt(), actions=WAITS, **mode))
    for second in range(4):
        table.message(payload=str(second).encode(), t_s=second)
    table.look(100)
    assert [effect.payload for effect in table.done] == payloads
    assert [note[1] for note in table.notes].count(Outcome.DROPPED) == dropped


def test_a_run_that_is_ended_ends_its_effect_and_its_answer_is_of_no_interest():
    table = bench(
        routine(mqtt(), mode="restart", actions=[{"action": "play", "media": "/a"}, set_value("x", 1)]), slow=True
    )
    table.message()
    table.message()
    assert table.cancelled == [1]
    table.finish(1)
    assert table.engine.facts.values == {}
    table.finish(2)
    assert table.engine.facts.values == {"x": 1}
    table.finish(2)
    assert [note[1] for note in table.notes].count(Outcome.DONE) == 1


def test_a_cooldown_drops_what_comes_too_soon():
    table = bench(routine(mqtt(), cooldown=10))
    assert [len(table.message(t_s=second)) for second in (0, 5, 9.9, 10, 15)] == [1, 0, 0, 1, 0]
    assert table.words[-1] == "cooldown, 5 seconds left (message x on go)"


def test_an_action_that_fails_ends_its_run_and_no_other():
    actions = [{"action": "webhook", "url": "http://a"}, set_value("x", 1)]
    table = bench(routine(mqtt(), actions=actions), routine(mqtt(), name="other"), slow=True)
    assert table.message() == ["r", "other"]
    table.finish(1, error="it hangs")
    assert table.words[-1] == "routine r: action 1 (webhook): it hangs"
    assert table.engine.facts.values == {}
    table.finish(2)
    assert table.notes[-1] == ("other", Outcome.DONE)
    assert table.message() == ["r", "other"], "both are free again"


def test_choose_takes_the_first_option_that_holds():
    def option(state, payload):
        return {
            "conditions": [is_state("x", state)],
            "actions": [delay(1), {"action": "mqtt.publish", "topic": "a", "payload": payload}],
        }

    choose = {"action": "choose", "options": [option(1, "one"), option(2, "two")], "default": [set_value("y", 9)]}
    rule = routine(mqtt(), actions=[set_value("x", "{trigger.payload}"), choose, set_value("z", "{x}")])
    table = bench(rule)
    for payload in (b"2", b"1", b"5"):
        table.message(payload=payload, t_s=table.t_s)
        table.look(table.t_s + 1)
        assert table.engine.facts.values["z"] == int(payload)
    assert [effect.payload for effect in table.done] == [b"two", b"one"]
    assert table.engine.facts.values["y"] == 9


def test_a_routine_starts_another_whose_own_conditions_hold():
    call = {"action": "routine", "routine": "called"}
    caller = routine(mqtt(), actions=[call, delay(5), call])
    called = routine(mqtt("never"), name="called", conditions=[{"condition": "presence", "state": "occupied"}])
    table = bench(caller, called)
    assert table.message() == ["r"]
    table.event(becomes("occupied"))
    assert table.look(5) == ["called"], "behind a delay, too"
    assert "(routine r)" in table.words[-5] or "routine r" in table.words


def test_what_starts_without_end_in_one_moment_is_cut_off():
    rules = [
        routine(
            mqtt("go" if n == 0 else "never"),
            name=f"r{n}",
            mode="queued",
            max=100,
            actions=[{"action": "routine", "routine": f"r{n + 1}"}] * 4,
        )
        for n in range(9)
    ]
    table = bench(*rules, routine(mqtt("never"), name="r9"))
    table.message()
    assert len(table.notes) < 1000
    assert "not started, with 100 others at the same moment" in " ".join(table.words)


def test_answers_of_a_webhook_are_values_of_the_run():
    ask = {"action": "webhook", "url": "http://a/{trigger.payload}", "method": "GET", "response_variable": "traffic"}
    table = bench(
        routine(mqtt(), actions=[ask, {"action": "announce", "text": "{traffic.minutes} minutes"}]), slow=True
    )
    table.message(payload=b"a/b?c=../&d")
    assert table.done == [Request("http://a/a%2Fb%3Fc%3D..%2F%26d", "GET", None, 5.0, wants_answer=True)]
    table.finish(1, answer={"minutes": 12})
    assert table.done[-1] == Announce("12 minutes", "en", 0.0)


@pytest.mark.parametrize("value", [b"..", b".", b""])
def test_a_value_cannot_lead_to_another_folder(value):
    table = bench(routine(mqtt(), actions=[{"action": "webhook", "url": "http://a/x/{trigger.payload}/y"}]))
    table.message(payload=value)
    assert table.done == []
    assert "which an address must not hold" in table.words[-1]


@pytest.mark.parametrize(
    ("value", "why"),
    [(b"-rf", "for an option"), (b"a\0b", "NUL"), (b"x" * 5000, "5000 characters"), (b"-5", ""), (b"$(id);`id`", "")],
)
def test_a_value_stays_an_argument(value, why):
    table = bench(
        routine(mqtt(), actions=[{"action": "command", "command": "c", "values": {"a": "{trigger.payload}"}}])
    )
    table.message(payload=value)
    if why:
        assert (table.done, why in table.words[-1]) == ([], True)
    else:
        assert table.done == [Start("c", {"a": value.decode()}, 10.0)]


def test_the_tweeter_is_switched():
    table = bench(routine(mqtt(), actions=[{"action": "emission", "state": "off"}]))
    table.message()
    assert table.done == [SwitchEmission(on=False)]


# Times of day


def at(clock, day="2026-11-23", zone=BERLIN):
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("window", "clock", "holds"),
    [
        ({"after": "18:00", "before": "06:00"}, "18:00:00", True),
        ({"after": "18:00", "before": "06:00"}, "00:00:00", True),
        ({"after": "18:00", "before": "06:00"}, "06:00:00", False),
        ({"after": "18:00", "before": "06:00"}, "17:59:59", False),
        ({"after": "06:00", "before": "18:00"}, "06:00:00", True),
        ({"after": "06:00", "before": "18:00"}, "18:00:00", False),
        ({"after": "06:00"}, "05:59:59", False),
        ({"before": "06:00"}, "00:00:00", True),
        ({"weekday": "mon"}, "10:00", True),
        ({"weekday": ["tue", "sun"]}, "10:00", False),
        ({"after": "22:00", "before": "06:00", "weekday": "sun"}, "05:00", True),
        ({"after": "22:00", "before": "06:00", "weekday": "mon"}, "05:00", False),
        ({"after": "22:00", "before": "06:00", "weekday": "mon"}, "22:00", True),
        ({"after": "sunset"}, "15:50", False),
        ({"after": "sunset"}, "16:10", True),
        ({"after": "sunset", "after_offset": "-0:30:00"}, "15:50", True),
        ({"after": "sunset", "before": "sunrise"}, "07:00", True),
        ({"after": "sunset", "before": "sunrise"}, "08:00", False),
        ({"before": "sunrise", "before_offset": 3600}, "08:00", True),
    ],
)
def test_windows_of_time(window, clock, holds):
    table = bench(routine(motion(), conditions=[{"condition": "time"} | window]), sun=BERLIN_SUN, began=at(clock))
    assert table.event(started()) == (["r"] if holds else [])


def test_a_window_waits_for_a_clock_that_is_set():
    table = bench(
        routine(motion(), conditions=[{"condition": "time", "before": "23:00"}]), began=at("12:00", "1970-01-01")
    )
    assert table.event(started()) == []
    assert "the clock is not set" in table.words[-1]


def time_trigger(clock, **more):
    return {"trigger": "time", "at": clock} | more


def test_a_time_of_day_comes_each_day_and_on_its_days():
    table = bench(
        routine(time_trigger("13:00"), name="daily"),
        routine(time_trigger("13:00", weekday=["tue", "wed"]), name="some"),
        began=at("12:00"),
    )
    assert table.engine.next_deadline_s() == 3600.0
    assert table.look(3599) == []
    assert table.look(3600) == ["daily"]
    assert table.look(3 * 86_400) == ["daily", "some", "daily", "some"]


@pytest.mark.parametrize(
    ("day", "clock", "utc"),
    [("2026-03-29", "02:30", "01:30"), ("2026-10-25", "02:30", "00:30"), ("2026-03-29", "07:00", "05:00")],
)
def test_a_time_of_day_comes_once_when_summer_time_changes(day, clock, utc):
    began = at("00:30", day)
    table = bench(routine(time_trigger(clock)), began=began)
    deadline = began.astimezone(UTC) + timedelta(seconds=table.engine.next_deadline_s())
    assert f"{deadline:%H:%M}" == utc
    assert table.look(86_400 * 0.9) == ["r"]


@pytest.mark.parametrize("day", ["2026-03-29T01:30+01:00", "2026-10-25T02:30+02:00"])
def test_a_change_of_summer_time_changes_no_duration(day):
    table = bench(routine(presence("vacant", 3600)), began=datetime.fromisoformat(day).astimezone(BERLIN))
    table.event(becomes("vacant"), 0)
    assert table.look(3599) == []
    assert table.look(3600) == ["r"]


def test_the_sun():
    table = bench(
        routine({"trigger": "sun", "event": "sunset", "offset": "-0:30:00"}, name="before"),
        routine({"trigger": "sun", "event": "sunrise", "offset": 60}, name="behind"),
        sun=BERLIN_SUN,
        began=at("12:00"),
    )
    assert 3.5 * 3600 < table.engine.next_deadline_s() < 3.6 * 3600
    assert table.look(86_400) == ["before", "behind"]


def test_near_the_pole_the_sun_comes_back_or_never_comes():
    rule = routine({"trigger": "sun", "event": "sunrise"})
    svalbard = bench(rule, sun=SunTimes(78.2, 15.6), began=at("12:00"))
    back = NOON + timedelta(seconds=svalbard.engine.next_deadline_s())
    assert (back.year, back.month) == (2027, 2)
    pole = bench(
        rule, routine(motion(), conditions=[{"condition": "time", "after": "sunset"}]), sun=SunTimes(90.0, 0.0)
    )
    assert pole.event(started()) == []
    assert "there is no sunset" in pole.words[-1]


# Clocks that jump


def test_for_does_not_care_for_the_wall_clock():
    table = bench(routine(presence("vacant", 600)))
    table.event(becomes("vacant"), 0)
    for t_s, years in ((100, -56), (200, 50), (300, 0)):
        assert table.look(t_s, NOON + timedelta(days=365 * years)) == []
    assert table.look(599) == []
    assert table.look(600) == ["r"]


def test_times_of_day_wait_for_a_set_clock_and_then_fire_nothing_of_the_past():
    table = bench(routine(time_trigger("07:00")), began=at("12:00", "1970-01-01"))
    assert table.engine.next_deadline_s() is None
    assert table.look(100_000) == []
    assert table.look(100_001, at("12:00")) == []
    assert table.look(100_002 + 19 * 3600, at("07:00:01", "2026-11-24")) == ["r"]


def test_a_jump_of_fifty_years_fires_nothing():
    table = bench(routine(time_trigger("13:00")), began=at("12:00"))
    assert table.look(10, at("14:00", "2076-11-23")) == []
    assert table.look(10 + 23 * 3600, at("13:00", "2076-11-24")) == ["r"]


def test_a_small_step_on_brings_what_it_skipped_and_a_small_step_back_repeats_nothing():
    table = bench(routine(time_trigger("12:01")), began=at("12:00"))
    assert table.look(10, at("12:02")) == ["r"]
    assert table.look(20, at("12:00:30")) == []
    table.take(table.engine.reload([routine(time_trigger("12:01"))], table.at(21, at("12:00:31"))))
    assert table.look(60, at("12:01:10")) == []


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        Engine([]).start(Instant(0.0, datetime(2026, 1, 1)))  # noqa: DTZ001


# Reload


def test_a_reload_keeps_what_is_unchanged_and_ends_the_rest():
    kept, changed = routine(presence("vacant", 10), name="kept"), routine(presence("vacant", 10), name="changed")
    waits = routine(mqtt(), name="waits", actions=WAITS)
    gone = routine(mqtt(), name="gone", actions=WAITS)
    table = bench(gone, changed, kept, waits)
    table.event(becomes("vacant"), 0)
    table.message(t_s=1)
    table.t_s = 5
    changed = routine(presence("vacant", 10), name="changed", alias="another")
    table.reload(kept, changed, waits)
    assert table.notes[-1] == ("gone", Outcome.FORGOTTEN)
    assert table.look(10) == ["kept"]
    table.look(11)
    assert len(table.done) == 2
    assert table.look(15) == ["changed"], "it counts from the reload"


def test_a_reload_in_a_motion_fires_nothing_again():
    table = bench(routine(motion()), routine(motion(kind="minor"), name="minor"))
    assert table.event(started("major")) == ["r"]
    table.reload(
        routine(motion()), routine(motion(kind="minor"), name="minor"), routine(motion(speed_above_mps=1), name="new")
    )
    assert table.event(updated("minor")) == ["minor"]
    assert table.event(updated("minor", 1.5)) == ["new"]


# Many


def calls(function):
    """How many calls of Python functions a call brings about."""
    count = 0

    def note(_frame, event, _argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def many(count):
    """As many routines of every sort, of which one waits for each event of the test."""
    rules = [routine(mqtt("wanted"), presence("occupied"), motion(direction="away"), name="wanted")]
    for n in range(count):
        sort = (
            mqtt(f"t/{n}"),
            presence("unknown", 5 + n % 100, if_already="ignore"),
            motion(speed_above_mps=9),
            time_trigger("03:00"),
            {"trigger": "health", "event": "goes", "fault": "clipping"},
        )[n % 5]
        rules.append(routine(sort, name=f"r{n}"))
    return bench(*rules)


@pytest.mark.parametrize(
    "event",
    [
        lambda table: table.message("wanted"),
        lambda table: table.message("nobody's"),
        lambda table: table.event(becomes("occupied")),
        lambda table: table.event(started(radial_mps=-1.0)),
        lambda table: table.look(10),
    ],
)
def test_an_event_costs_what_it_meets_and_not_what_there_is(event):
    few, a_lot = many(10), many(5000)
    few.look(1), a_lot.look(1)
    assert calls(lambda: event(few)) == calls(lambda: event(a_lot))


def test_engine_is_started_first():
    with pytest.raises(AssertionError):
        Engine([]).advance(bench().at(0))


def test_presence_is_unknown_at_first():
    assert bench().engine.facts.presence is Presence.UNKNOWN


def test_what_python_calls_equal_is_a_change_of_the_file_all_the_same():
    conditions = [{"condition": "state", "name": "trigger.payload", "state": 1}]
    table = bench(routine(mqtt(), conditions=conditions, actions=[PUBLISH | {"payload": 1}]))
    table.message(payload=b"1")
    table.reload(routine(mqtt(), conditions=conditions, actions=[PUBLISH | {"payload": True}]))
    table.message(payload=b"1")
    assert [effect.payload for effect in table.done] == [b"1", b"true"]
    table.reload(routine(mqtt(), conditions=[conditions[0] | {"state": True}]))
    assert table.message(payload=b"1") == []
    assert table.message(payload=b"true") == ["r"]


def test_routines_with_the_same_conditions_are_judged_anew_when_one_of_them_has_run():
    """What one sets, the next one sees, although both ask the same."""
    closed = [{"condition": "state", "name": "door", "state": "closed"}]
    opens = [set_value("door", "open")]
    table = bench(
        *(routine(mqtt(), name=name, conditions=closed, actions=opens) for name in ("a", "b", "c")),
        routine(mqtt("reset"), name="z", actions=[set_value("door", "closed")]),
    )
    table.message("reset")
    assert table.message() == ["a"]
    assert table.notes[-2:] == [("b", Outcome.CONDITION), ("c", Outcome.CONDITION)]
    assert table.words[-1] == "condition 1: door is open, not closed (message x on go)"


def test_a_refusal_tells_of_the_moment_at_which_it_was_made():
    table = bench(routine(mqtt(), conditions=[{"condition": "presence", "state": "occupied"}]))
    (refused,) = table.engine.message("go", b"x", table.at(1), retained=False)
    table.event(becomes("occupied"))
    assert [note.words for note in refused.notes()] == [
        "condition 1: presence is unknown, not occupied (message x on go)"
    ]
