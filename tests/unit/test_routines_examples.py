"""The routines that ship, each played through under a virtual clock."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance import routines as package
from appliance.config.happenings import load_happenings
from appliance.config.load import load_routines
from appliance.routines.simulate import Kind, simulate
from appliance.routines.sun import SunTimes

BERLIN = ZoneInfo("Europe/Berlin")
EXAMPLES = sorted((Path(package.__file__).parent / "examples").glob("*.yaml"))


@pytest.fixture
def play(tmp_path):
    """What an example does, as "HH:MM:SS words", over events from a time on."""

    def play_example(name, start, events, *, kinds=(Kind.EFFECT,)):
        (tmp_path / "events.yaml").write_text(events)
        (file,) = (file for file in EXAMPLES if file.stem == name)
        rules = load_routines(file, commands={"siren": ["siren", "{seconds}"]}, can_play=True)
        story = simulate(
            rules,
            load_happenings(tmp_path / "events.yaml"),
            start=datetime.fromisoformat(start).replace(tzinfo=BERLIN),
            sun=SunTimes(52.52, 13.4),
        )
        return [f"{told.at.wall:%H:%M:%S} {told.words}" for told in story if told.kind in kinds]

    return play_example


VISIT = """
- {t_s: 0, type: presence_changed, presence: occupied}
- {t_s: 0:20:00, type: presence_changed, presence: vacant}
- {t_s: 0:25:00, type: presence_changed, presence: occupied}
- {t_s: 0:30:00, type: presence_changed, presence: vacant}
"""


def test_every_example_is_played_here():
    assert [file.stem for file in EXAMPLES] == ["alarm", "lights", "morning", "music", "night"]


@pytest.mark.parametrize(
    ("start", "on"),
    [
        ("2026-11-23T13:00", 0),
        ("2026-11-23T15:20", 1),
        ("2026-11-23T15:35", 2),
        ("2026-06-23T19:00", 0),
        ("2026-06-23T23:00", 2),
    ],
)
def test_lights(play, start, on):
    publishes = play("lights", start, VISIT)
    assert [words[9:] for words in publishes] == ["publish ON to home/light/set"] * on + [
        "publish OFF to home/light/set"
    ]
    off = datetime.fromisoformat(f"2000-01-01T{publishes[-1][:8]}") - datetime.fromisoformat(f"2000-01-01T{start[11:]}")
    assert off.total_seconds() == 40 * 60, "10 minutes after the last one left"


def test_why_the_light_stays_off(play):
    (why,) = play(
        "lights", "2026-06-23T12:00", "- {t_s: 0, type: presence_changed, presence: occupied}", kinds=[Kind.NOT]
    )
    assert why.startswith("12:00:00 condition 1: it is 12:00:00, not between 30 minutes before sunset (21:0")


def test_lights_of_a_room_that_was_never_entered(play):
    assert play("lights", "2026-11-23T15:20", "- {t_s: 5, type: presence_changed, presence: vacant}") == [
        "15:30:05 publish OFF to home/light/set"
    ]


def test_music(play):
    assert play("music", "2026-11-23T18:00", VISIT) == [
        "18:00:00 play /srv/music/welcome.flac",
        "18:20:00 stop playing",
        "18:30:00 stop playing",
    ]
    assert play("music", "2026-11-23T23:00", VISIT) == ["23:20:00 stop playing", "23:30:00 stop playing"]


MORNING = """
- {t_s: 0, type: mqtt_message, topic: home/weather, payload: {condition: cloudy, temperature: 4.0}, retained: true}
- {t_s: 0, type: answer, url: "http://192.0.2.10:8080/traffic", json: {minutes: %d}}
- {t_s: 60, type: presence_changed, presence: occupied}
- {t_s: 1:00:00, type: presence_changed, presence: vacant}
- {t_s: 1:10:00, type: presence_changed, presence: occupied}
"""


@pytest.mark.parametrize(("minutes", "train"), [(25, []), (45, ['07:01:00 say "Better take the train."'])])
def test_morning(play, minutes, train):
    assert play("morning", "2026-11-23T07:00", MORNING % minutes) == [
        "07:01:00 GET http://192.0.2.10:8080/traffic",
        f'07:01:00 say "Good morning. It is cloudy, 4 degrees. To work it takes {minutes} minutes."',
        *train,
    ]


def test_no_morning_on_sundays_and_none_without_the_weather(play):
    assert play("morning", "2026-11-22T07:00", MORNING % 25) == []
    without = "\n".join(line for line in (MORNING % 25).splitlines() if "weather" not in line)
    (failed,) = play("morning", "2026-11-23T07:00", without, kinds=[Kind.FAILED])
    assert failed == "07:01:00 action 2 (announce): the value sky is missing: home/weather has sent no message yet"


ALARM = """
- {t_s: 0, type: motion_started, radial_mps: 1.0}
- {t_s: 10, type: mqtt_message, topic: home/alarm/set, payload: arm}
- {t_s: 20, type: motion_stopped}
- {t_s: 30, type: motion_started, radial_mps: 1.0}
- {t_s: 40, type: motion_stopped}
- {t_s: 100, type: motion_started, radial_mps: 0.1}
- {t_s: 110, type: motion_updated, radial_mps: -0.5}
- {t_s: 120, type: stream_health, faults: [tone_missing]}
- {t_s: 500, type: mqtt_message, topic: home/alarm/set, payload: disarm}
- {t_s: 510, type: stream_health, faults: []}
- {t_s: 520, type: stream_health, faults: [tone_missing]}
"""


def test_alarm(play):
    assert play("alarm", "2026-11-23T12:00", ALARM) == [
        '12:01:50 publish {"state":"triggered","room":"living"} to home/alarm',
        '12:01:50 POST http://192.0.2.10:8080/notify with {"title":"Alarm","text":"Somebody is in the living room"}',
        "12:01:50 start the command siren with seconds: 60",
    ]


def test_night(play):
    assert play("night", "2026-11-23T22:00", "- {t_s: 9:00:00, type: end}") == [
        "23:00:00 switch the tweeter off",
        "06:00:00 switch the tweeter on",
    ]
