"""`pipistrelle record`: what the microphones hear, without what people say."""

import argparse
import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from appliance.cli.run import add_config, config_path
from appliance.config.load import load_config
from appliance.emission.player import EmissionPlayer
from appliance.errors import SourceError
from appliance.hardware.recorder import PcmRecorder
from appliance.loop import DRAIN_BLOCKS
from appliance.ports import Audio
from appliance.sources import Source, make_player, open_source, wanted_emission
from appliance.types import Emission, PcmBlock

_DESCRIPTION = """\
Plays the configured tones and chirps and records all microphones to a WAV or FLAC file, with a JSON file beside it
that says which carriers were played. Only the band above 28 kHz is kept, so that no speech is recorded, unless
--keep-audible says otherwise."""

_EPILOG = """\
examples:
  pipistrelle record evening.flac --duration-s 600
  pipistrelle record visit.wav --source room:visit
  pipistrelle replay visit.wav"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "record",
        help="record the ultrasound that the microphones hear",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="a .wav or .flac file that does not exist yet")
    add_config(parser)
    parser.add_argument("--source", default="alsa", metavar="alsa|room:SCENE|FILE", help="default: %(default)s")
    parser.add_argument("--duration-s", type=_positive, metavar="S", help="stop after so long (default: Ctrl-C)")
    parser.add_argument("--keep-audible", action="store_true", help="keep everything, speech included")
    parser.add_argument("--bits", type=int, choices=(24, 32), default=24, help="32 for WAV only (default: 24)")
    parser.set_defaults(run=record)


def record(args: argparse.Namespace) -> int:
    """Record until the source, the time or the patience ends."""
    config = load_config(config_path(args))
    source = open_source(config, args.source, fast=True)
    try:
        recorder = PcmRecorder(
            args.out,
            rate_hz=source.audio.rate_hz,
            mics=source.audio.mics,
            carriers_hz=source.carriers_hz if config.emission.on else (),
            keep_audible=args.keep_audible,
            bits=args.bits,
        )
        emission = wanted_emission(config, source)
        with recorder:
            recorded_s = _record(source, recorder, args.duration_s, make_player(config, source.audio), emission)
    finally:
        source.audio.close()
    print(f"{args.out}: {recorded_s:.1f} s, microphones: {source.audio.mics}, at {source.audio.rate_hz} Hz")
    return 0


def _record(
    source: Source, recorder: PcmRecorder, duration_s: float | None, player: EmissionPlayer | None, emission: Emission
) -> float:
    """Copy blocks until the source, the time or the owner's patience ends; returns the stream's time then."""
    recorded_s = 0.0
    columns = (TextColumn("recording"), BarColumn(), TextColumn("{task.completed:.1f} s"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, _told_to_stop() as told:
        task = progress.add_task("", total=duration_s)
        try:
            while not told.is_set() and (duration_s is None or recorded_s < duration_s):
                if (block := source.audio.read()) is None:
                    return recorded_s
                recorder.write(block)
                if player:
                    _play(source.audio, player, emission, block)
                recorded_s = block.end_s
                progress.update(task, completed=recorded_s)
        except SourceError:
            _fade_out(source.audio, player, emission)
            raise
        _fade_out(source.audio, player, emission)
    return recorded_s


@contextlib.contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that neither breaks off the writing of a block."""
    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _play(audio: Audio, player: EmissionPlayer, emission: Emission, block: PcmBlock) -> None:
    player.follow(emission)
    audio.write(player.process(len(block.samples), first_frame=block.first_frame))


def _fade_out(audio: Audio, player: EmissionPlayer | None, emission: Emission) -> None:
    """A tone that is cut off clicks, which everybody hears."""
    silent_blocks = 0
    while player and silent_blocks < DRAIN_BLOCKS and (block := audio.read()) is not None:
        _play(audio, player, replace(emission, on=False), block)
        silent_blocks += player.settled


def _positive(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a time above 0 s")
    return seconds
