"""Motion-capture files: what they say, and what is said of damaged ones."""

import lzma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import SourceError
from appliance.simulation.captures import Captures, load_clip
from appliance.simulation.clip import JOINTS

BVH = """HIERARCHY
ROOT pelvis
{
  OFFSET 0 0.9 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT spine.001
  {
    OFFSET 0 0.25 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT neck
    {
      OFFSET 0 0.25 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      JOINT face
      {
        OFFSET 0 0.15 0
        CHANNELS 3 Zrotation Xrotation Yrotation
        End Site
        {
          OFFSET 0 0.05 0
        }
      }
    }
SIDES_ARMS
  }
SIDES_LEGS
}
MOTION
Frames: 3
Frame Time: 0.02
"""
ARM = """    JOINT upper_arm.{s}
    {{
      OFFSET {x} 0.2 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      JOINT forearm.{s}
      {{
        OFFSET {x} 0 0
        CHANNELS 3 Zrotation Xrotation Yrotation
        End Site
        {{
          OFFSET {x} 0 0
        }}
      }}
    }}
"""
LEG = """  JOINT thigh.{s}
  {{
    OFFSET {x} -0.05 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT shin.{s}
    {{
      OFFSET 0 -0.4 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      JOINT foot.{s}
      {{
        OFFSET 0 -0.4 0
        CHANNELS 3 Zrotation Xrotation Yrotation
        End Site
        {{
          OFFSET 0 -0.05 0.15
        }}
      }}
    }}
  }}
"""
SIDES = (("L", 0.2), ("R", -0.2))
BVH = BVH.replace("SIDES_ARMS\n", "".join(ARM.format(s=s, x=x) for s, x in SIDES))
BVH = BVH.replace("SIDES_LEGS\n", "".join(LEG.format(s=s, x=x / 2) for s, x in SIDES))


def frame(**turned):
    """A frame's values: the root's place, then three turns of each joint in the file's order."""
    order = [
        "pelvis",
        "spine",
        "neck",
        "face",
        "armL",
        "forearmL",
        "armR",
        "forearmR",
        "thighL",
        "shinL",
        "footL",
        "thighR",
        "shinR",
        "footR",
    ]
    values = [0.0, 0.9, turned.get("ahead", 0.0)]
    for joint in order:
        values += turned.get(joint, (0, 0, 0))
    return " ".join(f"{value:g}" for value in values)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def bvh(tmp_path):
    rows = [frame(), frame(ahead=0.02), frame(ahead=0.04, forearmL=(90, 0, 0))]
    return write(tmp_path / "kick.bvh", BVH + "\n".join(rows) + "\n")


def test_a_bvh_file_gives_the_joints_where_they_are(bvh):
    clip = load_clip(bvh)
    assert (clip.name, clip.rate_hz, clip.places.shape) == ("kick", 50.0, (3, len(JOINTS), 3))
    # Bones are 0.65 m of trunk and 0.8 m of leg; bodies are brought to 1.72 m, of which these are 93 %.
    scale = 1.72 * 0.93 / (0.25 + 0.25 + 0.2 + 0.4 + 0.4)
    np.testing.assert_allclose(clip.place("hips")[:, 0], [0, 0.02 * scale, 0.04 * scale], atol=1e-9)
    left_of_right = clip.place("hip_left")[0] - clip.place("hip_right")[0]
    np.testing.assert_allclose(left_of_right, [0, 0.2 * scale, 0], atol=1e-9)
    elbow, wrist = clip.place("elbow_left"), clip.place("wrist_left")
    np.testing.assert_allclose(wrist[0] - elbow[0], [0, 0.2 * scale, 0], atol=1e-9)
    np.testing.assert_allclose(wrist[2] - elbow[2], [0, 0, 0.2 * scale], atol=1e-9)


def test_an_unknown_joint_is_named(bvh):
    with pytest.raises(SourceError, match="no joint is called elbow_lef; there are hips"):
        load_clip(bvh).place("elbow_lef")


ASF_BONES = {
    "lowerback": ((0, 1, 0), 2), "upperback": ((0, 1, 0), 2), "thorax": ((0, 1, 0), 2), "head": ((0, 1, 0), 2),
    **{f"{s}{bone}": (direction, length) for s, x in (("l", 1), ("r", -1)) for bone, direction, length in (
        ("clavicle", (x, 0, 0), 1), ("humerus", (x, 0, 0), 3), ("radius", (x, 0, 0), 3),
        ("hipjoint", (x, 0, 0), 1), ("femur", (0, -1, 0), 4), ("tibia", (0, -1, 0), 4), ("foot", (0, 0, 1), 1),
    )},
}  # fmt: skip
ASF_TREE = (
    "root lowerback lhipjoint rhipjoint\nlowerback upperback\nupperback thorax\nthorax head lclavicle rclavicle\n"
)
ASF_TREE += "".join(
    f"{s}clavicle {s}humerus\n{s}humerus {s}radius\n{s}hipjoint {s}femur\n{s}femur {s}tibia\n{s}tibia {s}foot\n"
    for s in "lr"
)


def asf():
    bones = ""
    for number, (name, (direction, length)) in enumerate(ASF_BONES.items(), start=1):
        dof = "" if name.endswith("hipjoint") else "    dof rx ry rz\n"
        bones += f"  begin\n    id {number}\n    name {name}\n    direction {' '.join(map(str, direction))}\n"
        bones += f"    length {length}\n    axis 0 0 0 XYZ\n{dof}  end\n"
    return f":version 1.10\n:root\n  order TX TY TZ RX RY RZ\n:bonedata\n{bones}:hierarchy\n  begin\n{ASF_TREE}  end\n"


def amc(turned=()):
    text = ":FULLY-SPECIFIED\n:DEGREES\n"
    for number in (1, 2):
        text += f"{number}\nroot 0 9 {number} 0 0 0\n"
        for name in ASF_BONES:
            if not name.endswith("hipjoint"):
                text += f"{name} {' '.join(map(str, dict(turned).get(name, (0, 0, 0))))}\n"
    return text


@pytest.fixture
def pair(tmp_path):
    write(tmp_path / "07.asf", asf())
    return write(tmp_path / "07_01.amc", amc([("lradius", (0, 0, 90))]))


def test_an_amc_file_moves_its_skeleton(pair):
    clip = load_clip(pair)
    assert clip.rate_hz == 120.0
    unit = 1.72 * 0.93 / (4 + 2 + 2 + 4 + 4)
    np.testing.assert_allclose(clip.place("hips")[1] - clip.place("hips")[0], [unit, 0, 0], atol=1e-9)
    np.testing.assert_allclose(
        clip.place("elbow_left")[0] - clip.place("shoulder_left")[0], [0, 3 * unit, 0], atol=1e-9
    )
    np.testing.assert_allclose(clip.place("wrist_left")[0] - clip.place("elbow_left")[0], [0, 0, 3 * unit], atol=1e-9)


def deepmimic(**changed):
    values = (
        [0.05, 0, 0.9, 0]
        + [1, 0, 0, 0] * 4
        + [0]
        + [1, 0, 0, 0] * 2
        + [0]
        + [1, 0, 0, 0]
        + [0]
        + [1, 0, 0, 0] * 2
        + [0]
    )
    row = dict(enumerate(values)) | {int(key[1:]): value for key, value in changed.items()}
    rows = ["[" + ", ".join(str(row[k]) for k in range(44)) + "]"] * 3
    return '{\n"Loop": "wrap",\n"Frames":\n[\n' + ",\n".join(rows) + "\n]\n}"


def test_a_deepmimic_file_stands_upright_and_bends_its_knee(tmp_path):
    clip = load_clip(write(tmp_path / "humanoid3d_still.txt", deepmimic(v20=-1.5708)))
    assert (clip.rate_hz, clip.wraps) == (20.0, True)
    assert clip.place("head")[0, 2] > clip.place("hips")[0, 2] > clip.place("knee_left")[0, 2]
    assert clip.place("hip_left")[0, 0] < clip.place("hip_right")[0, 0]
    shin = clip.place("ankle_right")[0] - clip.place("knee_right")[0]
    # The file's x, ahead, is the clip's y.
    assert shin[1] < -0.3, "bent backwards"
    assert abs(shin[2]) < 0.01


def test_packed_files_are_read_too(bvh):
    packed = bvh.with_suffix(".bvh.xz")
    packed.write_bytes(lzma.compress(bvh.read_bytes()))
    np.testing.assert_array_equal(load_clip(packed).places, load_clip(bvh).places)


def test_a_joint_that_a_capture_lost_for_a_moment_does_not_fly(tmp_path):
    rows = [frame(footL=(k % 7, 0, 0)) for k in range(9)]
    rows[4] = frame(shinL=(180, 0, 0))
    text = BVH.replace("Frames: 3", "Frames: 9").replace("0.02", "0.01") + "\n".join(rows)
    clip = load_clip(write(tmp_path / "lost.bvh", text))
    assert np.abs(np.diff(clip.places, axis=0)).max() / 0.01 < 25.0


DAMAGED = [
    ("kick.bvh", lambda t: t.replace("MOTION", "MOTOIN"), "is no word of BVH"),
    ("kick.bvh", lambda t: t[: t.index("MOTION")], "no MOTION: the file is cut off"),
    (
        "kick.bvh",
        lambda t: t.replace("OFFSET 0 0.25 0", "OFFSET 0 x 0", 1),
        "bvh:8:1: spine.001: OFFSET: wanted a number",
    ),
    ("kick.bvh", lambda t: t.replace("JOINT shin.L", "JOINT calf.L"), "no joint for knee_left; looked for shinl"),
    ("kick.bvh", lambda t: t.replace("Frames: 3", "Frames: 4"), "ends after 3 of 4 frames"),
    ("kick.bvh", lambda t: t.replace("Frame Time: 0.02", "Frame Time: 0"), "Frame Time: wanted 0.0005 to 1 s"),
    ("kick.bvh", lambda t: t.replace("90", "nan"), "forearm.L: Zrotation: nan is no length or angle"),
    ("kick.bvh", lambda t: t.replace(" 90 ", " "), "wanted 45 values, found 44"),
    ("kick.bvh", lambda t: t.replace("CHANNELS 6", "CHANNELS 5"), "pelvis: CHANNELS: 6 named, 5 declared"),
    ("07_01.amc", lambda t: t.replace("lradius 0 0 90", "lradius 0 0"), "amc:11:1: lradius: wanted 3 values, found 2"),
    ("07_01.amc", lambda t: t.replace("rfoot", "rfeet"), "'rfeet' is no bone that moves"),
    ("07_01.amc", lambda t: t[: t.index("2\nroot") + 2], "is missing in frame 2"),
    (
        "07_01.amc",
        lambda t: t.replace("lradius 0 0 90", "lradius 0 0 9o"),
        "amc:11:1: lradius: wanted a number, found '9o'",
    ),
    ("07.asf", lambda t: t.replace("lfemur ltibia", "lfemur lshin"), "lshin: is no bone of :bonedata"),
    ("07.asf", lambda t: t.replace("length 3", "length"), "lhumerus: length: wanted 1 numbers, found 0"),
    ("07.asf", lambda t: "", "no :bonedata and :hierarchy"),
    ("humanoid3d_a.txt", lambda t: t[:-20], "is no JSON: cut off or damaged"),
    ("humanoid3d_a.txt", lambda t: t.replace("0.9", '"high"', 1), "txt:5:1: frame 0: root: 'high' is no number"),
    (
        "humanoid3d_a.txt",
        lambda t: t.replace("0.05, ", "", 1),
        "frame 0: wanted 44 values (a humanoid), found 43 values",
    ),
    ("humanoid3d_a.txt", lambda t: "[]", "Frames: wanted a list of at least 2 frames"),
]


@pytest.mark.parametrize(("name", "damage", "words"), DAMAGED)
def test_damage_is_told_with_file_line_and_joint(name, damage, words, tmp_path, bvh, pair):
    write(tmp_path / "humanoid3d_a.txt", deepmimic())
    path = tmp_path / name
    path.write_text(damage(path.read_text()))
    with pytest.raises(SourceError) as raised:
        load_clip(pair if name == "07.asf" else path)
    assert words in str(raised.value)
    assert str(raised.value).startswith(f"{path}:")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.bvh", None, "cannot be read: No such file"),
        ("short.bvh.xz", lzma.compress(b"HIERARCHY" * 100)[:40], ""),
        ("noise.bvh.xz", b"no xz at all", "is no whole xz file"),
        ("binary.bvh", b"\xff\xfe\x00", "is not text"),
        ("lonely_01.amc", b"", "its skeleton lonely.asf is missing beside it"),
        ("walk.mp4", b"", "is no motion capture; known are"),
    ],
)
def test_files_that_are_none_are_refused(name, content, words, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError) as raised:
        load_clip(path)
    assert words in str(raised.value)
    assert str(raised.value).startswith(f"{path}:")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_whatever_ends_in_anything_but_an_error_that_names_the_file(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    name, text = data.draw(
        st.sampled_from(
            [("a.bvh", BVH + "\n".join([frame()] * 3)), ("b.amc", amc()), ("humanoid3d_c.txt", deepmimic())]
        )
    )
    write(folder / "b.asf", asf())
    start = data.draw(st.integers(0, len(text) - 1))
    stop = data.draw(st.integers(start, min(len(text), start + 60)))
    damaged = text[:start] + data.draw(st.text(max_size=8)) + text[stop:]
    (folder / name).write_bytes(damaged.encode("utf-8", "surrogatepass"))
    told = str(folder)
    try:
        assert np.isfinite(load_clip(folder / name).places).all()
    except SourceError as error:
        told = str(error)
    assert told.startswith(str(folder))


def test_captures_are_found_by_name_and_missing_ones_have_a_suggestion(bvh, pair):
    captures = Captures((bvh.parent,))
    assert {"kick", "07_01"} <= set(captures.names)
    assert captures.clip("kick").name == "kick"
    with pytest.raises(SourceError, match=r"no motion capture is called kikc \(did you mean kick\?\)"):
        captures.clip("kikc")
    with pytest.raises(SourceError, match="no such folder of motion captures"):
        Captures((bvh.parent / "none",))


def test_pybullets_captures_are_there_when_it_is():
    pytest.importorskip("pybullet_data", reason="the extra `simulation` is not installed")
    captures = Captures()
    assert {"walk", "run", "crawl"} <= set(captures.names)
    walk = captures.clip("walk")
    assert walk.wraps
    assert 1.5 < walk.place("head")[:, 2].mean() < 1.75
    hips = walk.place("hips")
    assert 1.0 < np.linalg.norm(hips[-1] - hips[0]) < 1.6
