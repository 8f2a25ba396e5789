"""What music costs: instructions for a second of it, of the thread that decodes and of the one that plays.

    python tests/benchmarks/music.py [--seconds N]

A stereo file of 44.1 kHz is brought to 192 kHz and mixed beside a tone in blocks of 10 ms. Instructions are those of a
Python process under callgrind, as the difference of two lengths of sound, and repeat but for how often threads wait.
Memory is what a process grows by when it plays for the first time.
"""

import argparse
import asyncio
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from appliance.emission.player import EmissionPlayer  # noqa: E402
from appliance.hardware.mixer import Mixer  # noqa: E402
from appliance.types import Emission, Tones  # noqa: E402

RATE_HZ = 192_000
BLOCK_FRAMES = 1_920
SOURCE_RATE_HZ = 44_100
KINDS = {"WAV": "PCM_16", "FLAC": "PCM_16", "MP3": None, "OGG": "VORBIS"}


def write_music(path, kind, seconds):
    """In a process of its own: what it takes is nobody's."""
    from support.sounds import loud_music, written

    written(
        path,
        0.5 * loud_music(seconds=seconds, rate_hz=SOURCE_RATE_HZ),
        SOURCE_RATE_HZ,
        format=kind,
        subtype=KINDS[kind],
    )


def decode(path, seconds):
    """What the sound's thread does."""
    from appliance.hardware.conditioner import Conditioner
    from appliance.hardware.media import open_media

    sound = open_media(path)
    conditioner = Conditioner(
        source_rate_hz=sound.rate_hz, source_channels=sound.channels, rate_hz=RATE_HZ, channels=2, peak=1.0
    )
    left = seconds * SOURCE_RATE_HZ
    while left > 0:
        samples = sound.read()
        conditioner.process(samples)
        left -= len(samples)


def tones():
    player = EmissionPlayer(rate_hz=RATE_HZ, outputs=2, fade_s=0.1, full_scale_db_spl=90.0)
    player.follow(Emission(tones=Tones((40_000.0,), 75.0)))
    return player


def play(path, seconds):
    """Both threads; without a path the tone and a mixer that has nothing to do."""

    async def playing():
        mixer, player = Mixer(rate_hz=RATE_HZ, outputs=(0, 1), peak=0.68), tones()
        if path:
            task = asyncio.create_task(mixer.play(path, level_db=0.0))
            await asyncio.sleep(0)
        for block in range(seconds * RATE_HZ // BLOCK_FRAMES):
            while path and not mixer._music[0].ready:
                mixer._music[0]._thread.join(0.01)
            mixer.add_to(player.process(BLOCK_FRAMES, first_frame=block * BLOCK_FRAMES))
        if path:
            assert not task.done(), "the file is too short"
            task.cancel()
        mixer.close()

    asyncio.run(playing())


def emit(seconds):
    """The tone alone."""
    player = tones()
    for block in range(seconds * RATE_HZ // BLOCK_FRAMES):
        player.process(BLOCK_FRAMES, first_frame=block * BLOCK_FRAMES)


def instructions_per_s(work, path, seconds):
    """Of one of the works above, in a process of its own."""
    counts = []
    for length in (seconds, 2 * seconds):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, __file__]
        command += ["--work", work, "--path", path, "--seconds", str(length)]
        ran = subprocess.run(
            command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONHASHSEED": "0"}
        )
        counts.append(int(re.search(r"Collected : (\d+)", ran.stderr)[1]))
    return (counts[1] - counts[0]) / seconds


def growth_mib(path):
    """Peak resident memory that playing adds to a process that plays a tone."""
    peaks = []
    for work in ("silent", "play"):
        command = [sys.executable, __file__, "--work", work, "--path", path, "--seconds", "3"]
        peaks.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return peaks[1] - peaks[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--work", choices=("decode", "play", "silent", "emit", "write"), help=argparse.SUPPRESS)
    parser.add_argument("--path", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work == "write":
        write_music(args.path, pathlib.Path(args.path).suffix[1:].upper(), args.seconds)
    elif args.work == "decode":
        decode(args.path, args.seconds)
    elif args.work == "emit":
        emit(args.seconds)
    elif args.work:
        play(args.path if args.work == "play" else "", args.seconds)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    else:
        report(args.seconds)


def report(seconds):
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for kind in KINDS:
            paths[kind] = str(pathlib.Path(folder) / f"music.{kind.lower()}")
            command = [sys.executable, __file__, "--work", "write", "--path", paths[kind]]
            subprocess.run([*command, "--seconds", str(2 * seconds + 4)], check=True)
        if shutil.which("valgrind"):
            alone, silent = (instructions_per_s(work, "", seconds) for work in ("emit", "silent"))
            print(f"tone alone            {alone / 1e6:7.2f} M instructions/s")
            print(f"and an idle mixer     {silent / 1e6:7.2f}")
            for kind, path in paths.items():
                decoded, played = (instructions_per_s(work, path, seconds) for work in ("decode", "play"))
                print(
                    f"{kind:5} decoded         {decoded / 1e6:7.2f}   audio thread beside the tone "
                    f"{(played - decoded - alone) / 1e6:7.2f}"
                )
        print(f"memory                {growth_mib(paths['FLAC']):7.1f} MiB more while playing FLAC")


if __name__ == "__main__":
    main()
