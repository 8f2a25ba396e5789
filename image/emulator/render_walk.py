"""Somebody walks towards the device: rendered by the project's own virtual room each time, never kept.

    python render_walk.py OUT.wav STILL_S       run with the project's Python, from its folder

Four microphones at 192 kHz. First the room is empty but for somebody who stands still, and the detector learns.
"""

import sys
from pathlib import Path

from appliance.config.schema import Config
from appliance.hardware.recorder import PcmRecorder
from appliance.hardware.room import VirtualRoom
from appliance.simulation.scenes import walk
from appliance.sources import Source, make_player, wanted_emission

RATE_HZ, MICS, BLOCK_FRAMES = 192_000, 4, 1_920


def main(out: Path, still_s: float) -> None:
    """Render the walk."""
    config = Config()
    audio = VirtualRoom(
        walk(distance_m=3.0, start_s=still_s),
        rate_hz=RATE_HZ,
        mics=MICS,
        block_frames=BLOCK_FRAMES,
        speaker_full_scale_db_spl=config.audio.speaker_full_scale_db_spl,
    )
    source = Source(audio, config.emission.carriers_hz)
    player, emission = make_player(config, audio), wanted_emission(config, source)
    assert player is not None
    with PcmRecorder(out, rate_hz=RATE_HZ, mics=MICS, carriers_hz=source.carriers_hz, bits=32) as recorder:
        while (block := audio.read()) is not None:
            recorder.write(block)
            player.follow(emission)
            audio.write(player.process(len(block.samples), first_frame=block.first_frame))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
