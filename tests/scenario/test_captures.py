"""The service with captures on: somebody says that it was wrong, and finds what was kept."""

import asyncio

from appliance.app import Service
from appliance.clock import StreamClock
from appliance.config.schema import Config
from appliance.hardware.room import VirtualRoom
from appliance.simulation.scenes import empty
from appliance.snippets.answer import Answer
from appliance.snippets.folder import SnippetFolder, read_snippet
from appliance.snippets.replay import replay
from appliance.snippets.snippet import Reason
from appliance.sources import Source


def served(tmp_path, *, on, seconds=5.0):
    """What a service keeps to which somebody says twice, at 3 s, that a pet is no person."""
    config = Config.model_validate(
        {
            "mqtt": {"enabled": False},
            "captures": {"on": on, "directory": str(tmp_path / "captures")},
        }
    )
    asked = []

    def observe(_step, t_s):
        if t_s >= 3.0 and not asked:
            asked.append(t_s)
            service._command("wrong", "pet")
            service._command("wrong", "pet")

    service = Service(config, clock=StreamClock(), observe=observe)
    room = VirtualRoom(empty(seconds), mics=1, outputs=config.audio.outputs)
    asyncio.run(service.run(Source(room, config.emission.carriers_hz)))
    return SnippetFolder(tmp_path / "captures").kept()


def test_a_word_of_its_owner_is_kept_once(tmp_path, caplog):
    (kept,) = served(tmp_path, on=True)
    snippet = read_snippet(kept.path)
    assert (snippet.facts.why, snippet.facts.answer) == (Reason.WRONG, Answer.PET)
    assert 2.0 <= snippet.duration_s <= 3.5
    assert "less than 5 s ago" in caplog.text
    assert sum(len(step.scores) for step in replay(snippet)) == len(snippet.scores) > 10


def test_nothing_is_kept_where_the_owner_has_not_said_so(tmp_path, caplog):
    assert served(tmp_path, on=False, seconds=3.5) == []
    assert not (tmp_path / "captures").exists()
    assert "captures.on is false" in caplog.text
