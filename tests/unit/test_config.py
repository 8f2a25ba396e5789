"""The configuration: defaults, their documentation, YAML 1.2 and the bounds of every key."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import config
from appliance.config.load import load_config
from appliance.config.schema import Config
from appliance.config.yaml12 import parse, plain_value
from appliance.errors import ConfigError
from appliance.types import Chirps

DEFAULT = Path(config.__file__).parent / "default.yaml"


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        file = tmp_path / "appliance.yaml"
        file.write_text(text, encoding="utf-8")
        return load_config(file)

    return load_text


def test_default_yaml_equals_the_defaults_of_the_schema():
    assert load_config(DEFAULT) == Config() == load_config(None)


def test_default_yaml_documents_every_key_and_no_other():
    lines = DEFAULT.read_text(encoding="utf-8").splitlines()
    written = {}
    section = ""
    for above, line in zip(["", *lines], lines, strict=False):
        if match := re.match(r"( *)([a-z_]+):(.*)", line):
            indent, key, rest = match.groups()
            name = f"{section}.{key}" if indent else key
            section = section if indent else key
            written[name] = above.strip()
            assert indent or rest.strip() or key in Config.model_fields, name
    known = set()
    for name, field in Config.model_fields.items():
        known.add(name)
        if hasattr(field.annotation, "model_fields"):
            known |= {f"{name}.{inner}" for inner in field.annotation.model_fields}
    assert set(written) == known
    assert [name for name, comment in written.items() if not comment.startswith("#")] == []


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "\ufeff", "audio:\nmqtt:\n"])
def test_an_empty_file_or_section_means_the_defaults(load, text):
    assert load(text) == Config()


def test_a_key_that_is_left_out_has_its_default(load):
    read = load("emission: {carriers_hz: [33000, 45000.5]}\nmqtt: {port: 8883}\n")
    assert read.emission.carriers_hz == (33_000.0, 45_000.5)
    assert read.emission.level_db_spl == 75.0
    assert read.mqtt.port == 8883
    assert read.mqtt.host == "localhost"


def test_chirps_are_none_or_have_defaults_that_fit_beside_a_tone_at_45_khz(load):
    assert Config().emission.wanted_chirps() is None
    read = load("emission: {carriers_hz: [45000], chirps: {pulse_ms: 10}}")
    assert read.emission.wanted_chirps() == Chirps(
        start_hz=34_000.0, stop_hz=43_000.0, pulse_s=0.01, fade_s=0.002, pulses_hz=20.0, level_db_spl=70.0
    )


def test_paths_start_at_the_directory_of_the_file(load, tmp_path):
    read = load("routines: {file: routines.yaml}\nmqtt: {password_file: /run/secret}\n")
    assert read.routines.file == tmp_path / "routines.yaml"
    assert read.mqtt.password_file == Path("/run/secret")


def test_outputs_of_tones_and_music(load):
    audio = load("{}").audio
    assert (audio.tone_channels, audio.music_channels) == ((0, 1), ())
    audio = load("audio: {tone_outputs: [1], music_outputs: [2]}").audio
    assert (audio.tone_channels, audio.music_channels, audio.music_peak) == ((0,), (1,), 1.0)
    audio = load("audio: {outputs: 1, music_outputs: [1]}").audio
    assert audio.music_peak == pytest.approx(1.0 - 10.0 ** (-10.0 / 20.0))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("music_outputs: [3]", "music_outputs: must be different channels from 1 to 2"),
        ("music_outputs: [0]", "music_outputs: must be different channels from 1 to 2"),
        ("music_outputs: [1, 1]", "music_outputs: must be different channels from 1 to 2"),
        ("music_outputs: 1", "music_outputs: must be a list of channels"),
        ("music_outputs: [true]", "music_outputs: must be a list of channels"),
        ("music_outputs: null", "music_outputs: must be a list of channels"),
        ("tone_outputs: []", "tone_outputs: must name a channel"),
        ("tone_outputs: some", "tone_outputs: must be a list of channels, or all"),
        (
            "music_outputs: [1], speaker_full_scale_db_spl: 80",
            "music_outputs: must be other channels than tone_outputs",
        ),
    ],
)
def test_outputs_that_are_not_there_or_have_no_room_are_refused(load, written, words):
    with pytest.raises(ConfigError, match=words):
        load(f"audio: {{{written}}}")
    assert load("audio: {outputs: 2, tone_outputs: [1], music_outputs: [2], speaker_full_scale_db_spl: 60}")


def test_commands_are_argument_lists(load):
    assert load("routines: {commands: {chime: [aplay, -q, a b.wav]}}").routines.commands == {
        "chime": ("aplay", "-q", "a b.wav")
    }


@pytest.mark.parametrize(
    ("key", "lowest", "highest", "outside"),
    [
        ("audio.block_ms", 5, 50, [4, 51, 10.0, True, "10"]),
        ("audio.outputs", 1, 8, [0, 9]),
        ("audio.mics", 1, 8, [0, 9, "AUTO", 1.5]),
        ("audio.speaker_full_scale_db_spl", 60, 130, [59.9, 130.1]),
        ("audio.tweeter_distance_m", 0, 1, [-0.1, 1.1]),
        ("emission.level_db_spl", 40, 80, [39.9, 80.1, float("nan"), float("inf"), None]),
        ("emission.fade_ms", 50, 1000, [49, 1001]),
        ("sensing.hold_s", 5, 3600, [4.9, 3600.1]),
        ("sensing.false_alarms_per_day", 0.001, 100, [0.0, 0.0009, 101]),
        ("mqtt.port", 1, 65535, [0, 65536]),
    ],
)
def test_ranges_include_their_ends_and_nothing_beyond(load, key, lowest, highest, outside):
    section, name = key.split(".")
    for value in (lowest, highest):
        assert getattr(getattr(load(f"{section}: {{{name}: {value}}}"), section), name) == value
    for value in outside:
        with pytest.raises(ConfigError, match=f":1:{len(section) + len(name) + 6}: {key}: must be "):
            load(f"{section}: {{{name}: {_yaml(value)}}}")


def _yaml(value):
    if isinstance(value, str):
        return f'"{value}"'
    return {"nan": ".nan", "inf": ".inf", "None": "null", "True": "true"}.get(str(value), str(value))


@pytest.mark.parametrize("node", ["a", "0", "a" * 32, "living-room_2"])
def test_node_names_that_fit(load, node):
    assert load(f'node: "{node}"').node == node


@pytest.mark.parametrize("node", ["", "-a", "_a", "A", "a" * 33, "a b", "a/b", "a\\n", "ä"])
def test_node_names_that_do_not_fit(load, node):
    with pytest.raises(ConfigError, match="node: must be 1 to 32"):
        load(f'node: "{node}"')


def test_the_configuration_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Config().emission.level_db_spl = 100.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, word) for word in ("no", "OFF", "yes", "1:30", "0x", "1_000", "2026-01-01", "nUll", "=", "1e", "+")],
        *[(word, None) for word in ("null", "Null", "NULL", "~", "")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        ("false", False),
        ("007", 7),
        ("-12", -12),
        ("0o17", 15),
        ("0xff", 255),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-.inf", float("-inf")),
    ],
)
def test_plain_words_are_read_by_the_core_schema_of_yaml_1_2(text, value):
    assert plain_value(text) == value
    assert type(plain_value(text)) is type(value)


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=20,
))  # fmt: skip
def test_what_json_says_yaml_says(value):
    assert parse(json.dumps(value), path="x").data == value


def test_every_value_has_its_place():
    document = parse("a: 1\nb:\n  - x\n  - {c: 2}\n", path="x")
    assert {place: (mark.line, mark.column) for place, mark in document.values.items()} == {
        (): (1, 1),
        ("a",): (1, 4),
        ("b",): (3, 3),
        ("b", 0): (3, 5),
        ("b", 1): (4, 5),
        ("b", 1, "c"): (4, 9),
    }
    assert {place: (mark.line, mark.column) for place, mark in document.keys.items()} == {
        ("a",): (1, 1),
        ("b",): (2, 1),
        ("b", 1, "c"): (4, 6),
    }


def test_a_setting_for_pets_without_a_model_is_refused_and_says_why(load):
    with pytest.raises(ConfigError, match=r"sensing.pets: needs sensing.model: .* cannot tell a pet from a person"):
        load("sensing:\n  pets: true\n")
    assert load("sensing:\n  pets: true\n  model: motion.tflite\n").sensing.pets


def test_the_shipped_model_is_a_name_and_any_other_a_file_beside_the_configuration(load, tmp_path):
    assert load("sensing:\n  model: motion\n").sensing.model == Path("motion")
    assert load("sensing:\n  model: motion.tflite\n").sensing.model == tmp_path / "motion.tflite"


def test_nothing_is_captured_before_the_owner_says_so(load):
    assert not Config().captures.on
    assert load("captures:\n  on: true\n").captures.max_mb == 100
    with pytest.raises(ConfigError) as told:
        load("captures:\n  on: yes\n  before_s: 60\n  doubt: 2\n  max_mb: 0\n")
    assert len(told.value.problems) == 4
