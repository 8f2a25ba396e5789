"""A pipeline, what it emits and a virtual room, block by block in one thread."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from appliance.config.schema import SensingConfig
from appliance.emission.player import EmissionPlayer
from appliance.hardware.room import VirtualRoom
from appliance.pipeline import Pipeline, Step
from appliance.types import Emission, PcmBlock, Tones

TONES = Emission(tones=Tones(carriers_hz=(40_000.0,), level_db_spl=75.0))
FULL_SCALE_DB_SPL = 90.0
FALSE_ALARMS_PER_DAY = SensingConfig().false_alarms_per_day
"""As shipped, so that scenes and recordings tell of that operating point."""


def make_pipeline(*, mics=4, emission=TONES, hold_s=8.0, rate_hz=192_000, make_detector=None):
    return Pipeline(
        rate_hz=rate_hz,
        mics=mics,
        emission=emission,
        hold_s=hold_s,
        false_alarms_per_day=FALSE_ALARMS_PER_DAY,
        make_detector=make_detector,
    )


def as_it_is(block: PcmBlock) -> PcmBlock:
    return block


def listen(
    scene,
    pipeline=None,
    *,
    mics=4,
    block_frames=1920,
    heard: Callable[[PcmBlock], PcmBlock] = as_it_is,
    before: Callable[[Pipeline, float], list] = lambda _pipeline, _t_s: [],
) -> Iterator[tuple[float, Step]]:
    """The stream time of each block's end and its step.

    `heard` may spoil what the microphones gave; `before` may ask the pipeline for something between two blocks.
    """
    pipeline = pipeline or make_pipeline(mics=mics)
    room = VirtualRoom(scene, mics=mics, block_frames=block_frames, speaker_full_scale_db_spl=FULL_SCALE_DB_SPL)
    player = EmissionPlayer(rate_hz=room.rate_hz, outputs=1, fade_s=0.1, full_scale_db_spl=FULL_SCALE_DB_SPL)
    while (block := room.read()) is not None:
        asked = before(pipeline, block.end_s)
        step = pipeline.process(heard(block))
        player.follow(pipeline.emission)
        room.write(player.process(len(block.samples), first_frame=block.first_frame))
        yield block.end_s, replace(step, events=(*asked, *step.events))


def events_of(scene, pipeline=None, **options):
    return [event for _, step in listen(scene, pipeline, **options) for event in step.events]
