"""`pipistrelle room` draws a scene, still or moving, and says what it cannot."""

import os
import pathlib
import subprocess
import sys

import pytest

PIL = pytest.importorskip("PIL.Image", reason="the extra `simulation` is not installed")
pytest.importorskip("matplotlib", reason="the extra `simulation` is not installed")

ROOT = pathlib.Path(__file__).parents[2]

SCENE = """\
duration_s: 4
people:
  - {at_m: [3, 1], do: [{act: stay, for_s: 4, posture: stand, gestures: [wave]}]}
things: [{thing: wd7_arm, at_m: [2, 2]}]
sounds: [{sound: clicks}, {sound: taps}]
"""


def run(*arguments, cwd):
    command = [sys.executable, "-m", "appliance", "room", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, timeout=300, env=environment)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SCENE, encoding="utf-8")
    return path


def test_a_picture_is_drawn_beside_the_user(scene, tmp_path):
    code, out, err = run(scene, cwd=tmp_path)
    assert (code, err) == (0, "")
    assert out == "small.png: scene, 4 s\n"
    with PIL.open(tmp_path / "small.png") as picture:
        assert picture.width > 800
        # Walls, people and a spectrogram: many colours.
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 100


def test_a_moving_picture_moves(scene, tmp_path):
    code, _, err = run(scene, "--gif", "--output", tmp_path / "a.gif", cwd=tmp_path)
    assert (code, err) == (0, "")
    with PIL.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 32
        first = picture.convert("RGB").tobytes()
        picture.seek(20)
        assert picture.convert("RGB").tobytes() != first


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("party",), 2, "no such scene; there are empty, visit"),
        (("none.yaml",), 78, "none.yaml:1:1: file: cannot be read"),
        (("small.yaml", "--output", "none/a.png"), 2, "the picture cannot be written: No such file or directory"),
        (("small.yaml", "--carrier-hz", "20000"), 2, "carriers are 32000 to 90000 Hz"),
    ],
)
def test_what_cannot_be_is_said(arguments, code, words, scene, tmp_path):
    found, _, err = run(*arguments, cwd=scene.parent)
    assert (found, words in err) == (code, True), err


def test_without_matplotlib_the_cure_is_named(scene, tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError('none')\n")
    code, _, err = run(scene, cwd=tmp_path)
    assert code == 2
    assert "pip install 'pipistrelle[simulation]'" in err
