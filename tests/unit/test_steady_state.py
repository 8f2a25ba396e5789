"""What the running service may cost in the long run: nothing that grows, no heavy imports, few wake-ups."""

import asyncio
import gc
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from support.audio import RATE_HZ, FakeAudio, block
from support.lockstep import make_pipeline
from support.service import ROOT, environment

from appliance.app import Service
from appliance.clock import WallClock
from appliance.config.schema import Config
from appliance.sources import Source
from appliance.types import PcmBlock

BLOCK_FRAMES = 1920
SOUND_S = 1
LEARN_S = 40
"""Longer than the detector learns at most, so that all it keeps is there."""


def sound():
    """A tone and noise that can be repeated without a seam, and an echo in it that comes and goes."""
    t_s = np.arange(SOUND_S * RATE_HZ) / RATE_HZ
    echo = 3e-4 * np.sin(np.pi * t_s) ** 2 * np.sin(2 * np.pi * 40_230.0 * t_s)
    tone = 0.01 * np.sin(2 * np.pi * 40_000.0 * t_s)
    noise = 1e-5 * np.random.default_rng(1).standard_normal((len(t_s), 4))
    quiet, moving = (np.rint((heard[:, None] + noise) * 2**31).astype(np.int32) for heard in (tone, tone + echo))
    return quiet, moving


def held_bytes():
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("seconds", [60, pytest.param(600, marks=pytest.mark.slow)])
def test_nothing_grows_from_block_to_block(seconds):
    pipeline = make_pipeline()
    quiet, moving = sound()
    frame = 0

    def hear(count):
        nonlocal frame
        for _ in range(count * RATE_HZ // BLOCK_FRAMES):
            samples = moving if frame // RATE_HZ % 10 > 7 else quiet
            at = frame % len(samples)
            pipeline.process(PcmBlock(samples[at : at + BLOCK_FRAMES], frame, RATE_HZ))
            frame += BLOCK_FRAMES

    hear(LEARN_S)
    tracemalloc.start()
    try:
        hear(10)
        before = held_bytes()
        hear(seconds)
        grown = held_bytes() - before
    finally:
        tracemalloc.stop()
    # Numbers have more digits than before; one more object a hop would be 60 kB in a minute.
    assert grown < 2_000


def test_the_running_service_has_imported_nothing_heavy(tmp_path):
    config = tmp_path / "appliance.yaml"
    config.write_text("mqtt: {enabled: false}\n")
    program = (
        "import asyncio, sys\n"
        "from appliance.app import Service\n"
        "from appliance.clock import StreamClock\n"
        "from appliance.sources import open_source\n"
        "from appliance.config.load import load_config\n"
        "from pathlib import Path\n"
        f"config = load_config(Path({str(config)!r}))\n"
        "service = Service(config, clock=StreamClock(), observe=lambda step, t_s: t_s > 3.0 and service.stop())\n"
        "asyncio.run(service.run(open_source(config, 'room:empty', fast=True)))\n"
        "print(*sorted(sys.modules))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    imported = set(ran.stdout.split())
    assert "appliance.app" in imported
    assert not imported & {"scipy", "soundfile", "soxr", "rich", "tflite_runtime", "ai_edge_litert", "pytest"}
    # a tenth of a start's instructions: no routines, no model and no captures are wanted here
    unused = {"appliance.routines.schema", "appliance.routines.engine", "appliance.classify.model"}
    assert not imported & {*unused, "appliance.snippets.snippet", "appliance.snippets.writer"}


def test_the_event_loop_is_woken_five_times_a_second_at_most():
    # The audio thread sleeps once a block, in the card; each delivery wakes the event loop as well.
    seconds = 5
    woken = []
    config = Config.model_validate({"mqtt": {"enabled": False}})
    service = Service(config, clock=WallClock())
    serve_step = service._deliver

    def deliver(step, t_s):
        before = service._delivered_s
        serve_step(step, t_s)
        woken.append(service._delivered_s != before)

    service._deliver = deliver
    quiet, _ = sound()
    blocks = (
        block(number * BLOCK_FRAMES, samples=np.ascontiguousarray(quiet[number % 100 * BLOCK_FRAMES :][:BLOCK_FRAMES]))
        for number in range(seconds * 100)
    )
    asyncio.run(service.run(Source(FakeAudio(blocks, mics=4), (40_000.0,))))
    assert len(woken) == seconds * 100
    assert sum(woken) <= seconds * 5 + 1
