"""Safe mode takes from the owner's file what it needs and can read."""

import pytest

from appliance.config.safe import keep_copy, safe_config
from appliance.config.schema import Config

WHOLE = """\
node: den
audio: {capture: "hw:CARD=Ears", speaker_full_scale_db_spl: 110}
emission: {carriers_hz: [45000], level_db_spl: 60, chirps: {}}
sensing: {hold_s: 30}
mqtt: {host: broker.lan, password_file: secret}
routines: {file: routines.yaml}
"""


@pytest.fixture
def files(tmp_path):
    etc, state = tmp_path / "etc", tmp_path / "state"
    etc.mkdir()
    state.mkdir()
    return etc / "appliance.yaml", state / "copy.yaml"


def test_without_a_file_all_is_default(files):
    assert safe_config(None, files[1]) == Config()


def test_node_card_and_broker_are_the_owners_and_all_else_is_default(files):
    path, copy = files
    path.write_text(WHOLE)
    safe = safe_config(path, copy)
    assert (safe.node, safe.audio.capture, safe.mqtt.host) == ("den", "hw:CARD=Ears", "broker.lan")
    assert safe.audio.speaker_full_scale_db_spl == 110
    assert safe.mqtt.password_file == path.parent / "secret"
    assert (safe.emission.carriers_hz, safe.emission.chirps) == ((40_000.0,), None)
    assert safe.emission.level_db_spl == 60
    assert (safe.sensing, safe.routines) == (Config().sensing, Config().routines)


@pytest.mark.parametrize(
    ("emission", "on", "level_db_spl"),
    [
        ("{level_db_spl: 79}", True, 75.0),
        ("{level_db_spl: 50}", True, 50.0),
        ("{on: false}", False, 75.0),
        ("{level_db_spl: 99}", True, 75.0),
    ],
)
def test_the_tweeter_is_never_louder_than_the_owner_wants(files, emission, on, level_db_spl):
    files[0].write_text(f"emission: {emission}\n")
    safe = safe_config(*files)
    assert (safe.emission.on, safe.emission.level_db_spl) == (on, level_db_spl)


def test_a_section_with_a_fault_hurts_no_other(files):
    files[0].write_text("node: den\nmqtt: {prot: 1}\nnonsense: 3\naudio: {mics: 2}\n")
    safe = safe_config(*files)
    assert (safe.node, safe.audio.mics, safe.mqtt) == ("den", 2, Config().mqtt)


@pytest.mark.parametrize("text", ["a: b: c\n", "\tnode: x\n", "- node\n", "\xff", "", "node: é"])
def test_what_the_file_does_not_tell_the_copy_does(files, text):
    path, copy = files
    path.write_text(WHOLE)
    keep_copy(path, copy)
    path.write_bytes(text.encode("latin-1"))
    safe = safe_config(path, copy)
    if text == "":  # an empty file has no fault: it says that all is default
        assert safe == Config()
    else:
        assert (safe.node, safe.audio.capture, safe.mqtt.host) == ("den", "hw:CARD=Ears", "broker.lan")
        assert safe.mqtt.password_file == path.parent / "secret"
        assert safe.emission.on


def test_where_nothing_tells_of_the_card_the_tweeter_is_silent(files):
    path, copy = files
    path.write_text("audio: {mics: 99}\nmqtt: {host: broker.lan}\n")
    safe = safe_config(path, copy)
    assert not safe.emission.on
    assert safe.mqtt.host == "broker.lan"
    path.unlink()
    assert not safe_config(path, copy).emission.on


def test_a_copy_is_written_only_where_it_says_something_new(files):
    path, copy = files
    path.write_text(WHOLE)
    keep_copy(path, copy)
    assert copy.read_text() == WHOLE
    written = copy.stat().st_ino
    keep_copy(path, copy)
    assert copy.stat().st_ino == written
    path.write_text("node: attic\n")
    keep_copy(path, copy)
    assert copy.read_text() == "node: attic\n"
    assert [file.name for file in copy.parent.iterdir()] == [copy.name]


def test_a_copy_that_cannot_be_kept_is_said_and_hinders_nothing(files, caplog):
    path, copy = files
    path.write_text(WHOLE)
    keep_copy(path, copy.parent / "gone" / "copy.yaml")
    assert "cannot be written" in caplog.text
    path.unlink()
    keep_copy(path, copy)
    assert not copy.exists()
