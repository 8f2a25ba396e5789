"""`pipistrelle captures`: what was kept of doubtful moments; shows it, explains it, takes answers, exports, deletes."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from appliance.cli.run import add_config, config_path
from appliance.cli.timeline import Timeline
from appliance.config.load import load_config
from appliance.config.schema import Config
from appliance.controls import STATE_DIRECTORY, state_directory
from appliance.errors import SourceError
from appliance.presence.motion import START_SCORE
from appliance.sensing import captures_folder, detector_maker
from appliance.snippets.answer import Answer
from appliance.snippets.archive import write_archive
from appliance.snippets.folder import Kept, SnippetFolder, read_facts, read_snippet, replace_whole
from appliance.snippets.replay import SETTLE_S, replay
from appliance.snippets.snippet import LOWEST_HZ, Facts, Reason, Snippet, encode
from appliance.types import DopplerFrame, MotionClass

_DESCRIPTION = """\
With `captures.on: true` in its configuration the appliance keeps some seconds of what its microphones hear around the
tones where its detector is in doubt, and when somebody says over MQTT that it was wrong (`set/wrong`, two buttons in
Home Assistant). A better model can be made of them. They stay on the device until you export them."""

_EPILOG = f"""\
what is in a capture:
  sound within 1.2 kHz of the tones, all above {LOWEST_HZ / 1000:g} kHz: no speech and no music;
  what the detector said of it; no name, no place, no time of day

examples:
  pipistrelle captures list
  pipistrelle captures explain 12            why it was kept, and what can be seen in it
  pipistrelle captures answer 12 pet         it was the cat: now it can teach
  pipistrelle captures export home.tar       all of them in one file, to give away
  pipistrelle captures delete 12 13
  pipistrelle captures delete --all

Only who may read the service's files can use it: sudo pipistrelle captures list

exit code: 0 well, 2 there is no such capture, one is damaged, or a file cannot be written."""

_REASONS = {
    Reason.NEAR_THRESHOLD: "a score lingered near the threshold: the detector could hardly tell whether somebody moved",
    Reason.DISAGREEMENT: "the model and the threshold detector differed for a second or longer",
    Reason.BRIEF: "motion that was over in about a second, with nothing before and behind it",
    Reason.WRONG: "somebody said that it was judged wrongly",
}

_ANSWERS = {
    Answer.NOBODY: "nobody was there",
    Answer.SOMEBODY: "somebody was there",
    Answer.PET: "a pet",
    Answer.FAN: "a fan",
    Answer.CURTAIN: "a curtain",
    Answer.OTHER: "something else, but nobody",
}

_Command = Callable[[argparse.Namespace, Config, SnippetFolder], int]


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "captures",
        help="what was kept of doubtful moments: list, explain, answer, export, delete",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = _add(parts, "list", "what is there, the oldest first", _list)
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    explaining = _add(parts, "explain", "why one was kept, and what can be seen in it", _explain)
    explaining.add_argument("id", type=_id, metavar="ID", help="as `list` shows it")
    explaining.add_argument("--picture", type=Path, metavar="FILE", help="draw a spectrogram, such as capture.png")
    answering = _add(parts, "answer", "say who or what it was", _answer)
    answering.add_argument("id", type=_id, metavar="ID", help="as `list` shows it")
    words = "; ".join(f"{answer}: {meaning}" for answer, meaning in _ANSWERS.items())
    answering.add_argument("answer", choices=[each.value for each in Answer], metavar="ANSWER", help=words)
    exporting = _add(parts, "export", "write them into one file (tar)", _export)
    exporting.add_argument("file", type=Path, metavar="FILE", help="such as home.tar")
    exporting.add_argument("ids", type=_id, nargs="*", metavar="ID", help="default: all of them")
    deleting = _add(parts, "delete", "delete some, or all", _delete)
    deleting.add_argument("ids", type=_id, nargs="*", metavar="ID", help="as `list` shows it")
    deleting.add_argument("--all", action="store_true", help="all of them")


def _add(
    parts: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, words: str, command: _Command
) -> argparse.ArgumentParser:
    parser = parts.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="where they lie (default: as configured)")
    add_config(parser)

    def run(args: argparse.Namespace) -> int:
        config = load_config(config_path(args))
        folder = args.directory or captures_folder(config, state_directory(os.environ) or STATE_DIRECTORY)
        return command(args, config, SnippetFolder(folder))

    parser.set_defaults(run=run)
    return parser


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 8):
        raise argparse.ArgumentTypeError(f"{text!r} is no ID such as 12; `pipistrelle captures list` shows them")
    return int(text)


def _list(args: argparse.Namespace, config: Config, folder: SnippetFolder) -> int:
    kept = folder.kept()
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("id", "kept", "seconds", "MB", "why", "doubt", "answer"):
        table.add_column(name, justify="right" if name in ("id", "seconds", "MB", "doubt") else "left")
    code = 0
    for each in kept:
        try:
            facts, duration_s = read_facts(each.path)
        except SourceError as error:
            code = error.exit_code
            print(f"pipistrelle: {error}", file=sys.stderr)
            continue
        if args.json:
            print(json.dumps(_about(each, facts, duration_s)))
        table.add_row(
            str(each.number), f"{each.at.astimezone():%Y-%m-%d %H:%M}", f"{duration_s:.1f}", f"{each.bytes / 1e6:.2f}",
            facts.why.value, f"{facts.doubt:.2f}", (facts.answer.value if facts.answer else "-"),
        )  # fmt: skip
    if args.json:
        return code
    if kept:
        console.print(table)
    taken_mb = sum(each.bytes for each in kept) / 1e6
    on = "" if config.captures.on else "; captures.on is false: none are added"
    print(f"{folder.path}: {len(kept)} captures, {taken_mb:.1f} of {config.captures.max_mb} MB{on}")
    return code


def _about(kept: Kept, facts: Facts, duration_s: float) -> dict[str, object]:
    return {
        "id": kept.number,
        "at": kept.at.isoformat(timespec="seconds"),
        "duration_s": round(duration_s, 3),
        "bytes": kept.bytes,
        **facts.model_dump(mode="json", include={"why", "doubt", "answer", "source", "carriers_hz"}),
    }


def _explain(args: argparse.Namespace, config: Config, folder: SnippetFolder) -> int:
    kept = folder.one(args.id)
    snippet = read_snippet(kept.path)
    console = Console(highlight=False)
    for line in _words(kept, snippet):
        console.print(line, markup=False, soft_wrap=True)
    frames, again = _judged_again(snippet, config)
    console.print(f"judged again:  {again}", markup=False, soft_wrap=True)
    console.print()
    if not frames:
        console.print("too short, or too much cut up, for a picture")
        return 0
    console.print(_strip(snippet, frames, width=min(console.width, 112)))
    if args.picture:
        _draw(kept, snippet, frames, args.picture)
        console.print(f"{args.picture}: radial velocity over time", markup=False)
    return 0


def _words(kept: Kept, snippet: Snippet) -> list[str]:
    facts = snippet.facts
    carriers, mics, _ = snippet.iq.shape
    half_hz = facts.rate_hz / 2.0
    bands = ", ".join(f"{(hz - half_hz) / 1e3:g} to {(hz + half_hz) / 1e3:g}" for hz in facts.carriers_hz)
    pets = ", pets at home" if facts.pets else ""
    per_day = f"{facts.false_alarms_per_day:g} false alarm{'s' if facts.false_alarms_per_day != 1 else ''} a day"
    asked = f"none yet: pipistrelle captures answer {kept.number} {'|'.join(Answer)}"
    answer = _ANSWERS[facts.answer] if facts.answer else asked
    tones = f"{carriers} tone{'s' if carriers > 1 else ''}"
    heard = f"{snippet.duration_s:.1f} s of {mics} microphone{'s' if mics > 1 else ''}"
    return [
        f"capture {kept.number}, kept {kept.at.astimezone():%A %d %B %Y, %H:%M}: {_REASONS[facts.why]}",
        "",
        f"holds:         {heard}, {bands} kHz around {tones}; no sound that anybody hears",
        f"judged by:     the {'model' if facts.model_sha256 else 'threshold detector'}, {per_day}{pets}",
        f"what it said:  {_said(snippet)}",
        f"doubt:         {facts.doubt:.2f} in its most doubtful second (1 is just at the threshold)",
        f"your answer:   {answer}",
    ]


def _said(snippet: Snippet) -> str:
    motion = snippet.motion
    if not len(motion):
        return "nothing: it was still learning the room"
    moving = float((motion >= START_SCORE).mean()) * 100.0
    means = np.nan_to_num(snippet.scores[:, 1 : 1 + len(MotionClass)]).mean(axis=0)
    kind = list(MotionClass)[int(means.argmax())]
    return f"motion in {moving:.0f} % of the time, at most {motion.max():.2f} sure; mostly {kind.value}"


def _judged_again(snippet: Snippet, config: Config) -> tuple[list[DopplerFrame], str]:
    """The frames of a replay, and what the detector of now says."""
    make_detector = detector_maker(config)
    frames: list[DopplerFrame] = []
    motions: list[float] = []
    began_s = snippet.facts.first_frame / snippet.facts.pcm_rate_hz
    for step in replay(snippet, make_detector):
        frames += step.frames
        motions += [score.motion for score in step.scores if score.t_s >= began_s + SETTLE_S]
    name = f"the {'threshold detector' if make_detector is None else 'configured model'}"
    if not motions:
        return frames, f"{name} says nothing: it needs {SETTLE_S:g} s to learn the room"
    moving = 100.0 * sum(motion >= START_SCORE for motion in motions) / len(motions)
    return frames, f"{name} says motion in {moving:.0f} % of the time behind the first {SETTLE_S:g} s"


def _strip(snippet: Snippet, frames: Sequence[DopplerFrame], *, width: int) -> object:
    began_s = snippet.facts.first_frame / snippet.facts.pcm_rate_hz
    said = dict(zip(snippet.scores[:, 0].tolist(), snippet.motion.tolist(), strict=True))
    times_s = np.array(list(said))
    motions = np.array(list(said.values()))
    timeline = Timeline("", snippet.duration_s, width=width)
    for frame in frames:
        near = int(np.abs(times_s - frame.t_s).argmin()) if len(times_s) else None
        timeline.moving = near is not None and bool(motions[near] >= START_SCORE)
        timeline.advance(frame.t_s - began_s)
        timeline.hear(frame)
    return timeline.strip()


def _draw(kept: Kept, snippet: Snippet, frames: Sequence[DopplerFrame], path: Path) -> None:
    # much to load, and not needed for the words
    from appliance.simulation.draw import draw_spectrogram

    began_s = snippet.facts.first_frame / snippet.facts.pcm_rate_hz
    power = np.stack([10.0 ** (frame.power_dbfs.mean(axis=(0, 1)) / 10.0) for frame in frames])
    draw_spectrogram(
        f"capture {kept.number}: {snippet.facts.why.value.replace('_', ' ')}",
        path,
        t_s=np.array([frame.t_s - began_s for frame in frames]),
        velocity_mps=frames[0].velocity_mps[0].astype(np.float64),
        power_dbfs=10.0 * np.log10(power.T),
    )


def _answer(args: argparse.Namespace, _config: Config, folder: SnippetFolder) -> int:
    kept = folder.one(args.id)
    answer = Answer(args.answer)
    content = encode(read_snippet(kept.path).answered(answer))
    try:
        replace_whole(kept.path, lambda new: new.write_bytes(content), at=kept.at)
    except OSError as error:
        raise SourceError(f"{kept.path}: cannot be written: {error.strerror}") from error
    print(f"capture {kept.number}: {_ANSWERS[answer]}")
    return 0


def _export(args: argparse.Namespace, _config: Config, folder: SnippetFolder) -> int:
    kept = [folder.one(each) for each in args.ids] or folder.kept()
    exported = write_archive(args.file, kept)
    for words in exported.left_out:
        print(f"pipistrelle: left out: {words}", file=sys.stderr)
    print(f"{args.file}: {exported.count} captures, {args.file.stat().st_size / 1e6:.1f} MB")
    return SourceError.exit_code if exported.left_out else 0


def _delete(args: argparse.Namespace, _config: Config, folder: SnippetFolder) -> int:
    if bool(args.ids) == args.all:
        raise SourceError("captures delete: name captures, or --all")
    doomed = [folder.one(each) for each in args.ids] if args.ids else folder.kept()
    for each in doomed:
        folder.delete(each)
    print(f"{folder.path}: {len(doomed)} deleted")
    return 0
