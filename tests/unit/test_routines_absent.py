"""A service without a routines file: what stands for its routines."""

import asyncio
import inspect

import pytest

from appliance.app import Service
from appliance.clock import StreamClock
from appliance.config.schema import Config
from appliance.errors import RoutineError
from appliance.routines.absent import NoRoutines
from appliance.routines.host import RoutineHost


def public(kind):
    return {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if name[0] != "_"
    }


def test_what_the_service_asks_a_host_it_may_ask_no_routines():
    assert public(NoRoutines) == public(RoutineHost)


def test_no_routine_can_be_started():
    with pytest.raises(RoutineError, match=r"routine evening: not known here$"):
        NoRoutines().begin("evening")


def test_there_is_nothing_to_wait_for(caplog):
    routines = NoRoutines()
    assert routines.wait_s() is None
    asyncio.run(routines.finish())
    with caplog.at_level("INFO"):
        routines.reload()
    assert "names no file" in caplog.text


def test_a_service_has_them_only_where_a_file_is_named(tmp_path):
    file = tmp_path / "routines.yaml"
    file.write_text("")
    kinds = []
    for routines in ({}, {"file": str(file)}):
        config = Config.model_validate({"mqtt": {"enabled": False}, "routines": routines})
        kinds.append(type(Service(config, clock=StreamClock())._routines))
    assert kinds == [NoRoutines, RoutineHost]
