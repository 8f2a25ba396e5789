"""An update as Home Assistant sees it, from its button to its progress: a real broker; RAUC alone is a stand-in."""

import asyncio
import json
import sys

import pytest
from support.mosquitto import wait_until

from appliance.app import Service
from appliance.card.update import Offer, UpdateError, Updater
from appliance.clock import WallClock
from appliance.config.schema import Config
from appliance.hardware.paced import Paced
from appliance.hardware.room import VirtualRoom
from appliance.simulation.scenes import empty
from appliance.sources import Source
from appliance.updates import WANTED

ROOT = "pipistrelle/den"
RAUC = "import sys; print('installing'); print(' 40% Checking'); print(' 80% Copying'); sys.exit(len(sys.argv) != 2)"


def states(subscriber):
    return [json.loads(payload) for payload in subscriber.on(f"{ROOT}/update")]


def test_the_button_is_a_wish_and_the_updaters_words_are_its_answer(broker, subscribe, tmp_path, monkeypatch):
    live, told = subscribe(), tmp_path / "told.json"
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("PIPISTRELLE_UPDATES", str(told))
    mqtt = {"host": broker.host, "port": broker.port}
    updater = Updater(running="1.0.0", told=told, rauc=(sys.executable, "-c", RAUC))
    refused = Updater(running="1.0.0", told=told, rauc=(sys.executable, "-c", RAUC, "a second argument"))
    updater.look(None)
    service = Service(Config.model_validate({"node": "den", "mqtt": mqtt}), clock=WallClock())

    def command_it():
        live.wait(lambda: states(live), "how things stand")
        assert states(live)[-1] == {
            "installed_version": "1.0.0", "latest_version": "1.0.0", "in_progress": False, "update_percentage": None
        }  # fmt: skip
        discovery = json.loads(live.on("homeassistant/device/pipistrelle_den/config")[-1])["cmps"]["update"]
        assert discovery["stat_t"] == f"{ROOT}/update"
        live.publish(discovery["cmd_t"], discovery["pl_inst"].encode())
        wait_until((tmp_path / WANTED).exists, "the wish")
        updater.install(Offer("1.2.3", "bundle"))
        live.wait(lambda: states(live)[-1]["update_percentage"] == 80, "progress")
        assert states(live)[-1]["in_progress"]
        assert states(live)[-1]["latest_version"] == "1.2.3"
        with pytest.raises(UpdateError):
            refused.install(Offer("1.2.3", "bundle"))
        live.wait(lambda: not states(live)[-1]["in_progress"], "the end")
        live.wait_for(f"{ROOT}/error", b"was not installed")
        assert json.loads(live.on(f"{ROOT}/error")[-1])["topic"] == f"{ROOT}/set/update"

    async def run():
        script = asyncio.create_task(asyncio.to_thread(command_it))
        script.add_done_callback(lambda _: service.stop())
        await service.run(Source(Paced(VirtualRoom(empty(), mics=1)), (40_000.0,)))
        await script

    asyncio.run(run())


def test_elsewhere_than_on_the_image_the_command_is_refused(broker, subscribe, monkeypatch):
    monkeypatch.delenv("PIPISTRELLE_UPDATES", raising=False)
    live = subscribe()
    service = Service(
        Config.model_validate({"node": "den", "mqtt": {"host": broker.host, "port": broker.port}}), clock=WallClock()
    )

    def command_it():
        live.wait_for(f"{ROOT}/status", b"online")
        live.publish(f"{ROOT}/set/update", b"install")
        live.wait_for(f"{ROOT}/error", b"only the SD-card image")
        assert "update" not in json.loads(live.on("homeassistant/device/pipistrelle_den/config")[-1])["cmps"]

    async def run():
        script = asyncio.create_task(asyncio.to_thread(command_it))
        script.add_done_callback(lambda _: service.stop())
        await service.run(Source(Paced(VirtualRoom(empty(), mics=1)), (40_000.0,)))
        await script

    asyncio.run(run())
