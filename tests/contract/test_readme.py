"""The README says what the code does."""

import json
import re
import shlex

import pytest
from support.readme_tables import README, with_tables

from appliance.cli.main import _parser
from appliance.config.load import load_config, load_routines
from appliance.errors import ConfigError

TEXT = README.read_text(encoding="utf-8")


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_tables_are_those_of_the_code():
    assert with_tables(TEXT) == TEXT, "run `python tests/support/readme_tables.py`"


@pytest.mark.parametrize("line", re.findall(r"^(pipistrelle .+)$", TEXT, re.MULTILINE))
def test_commands_shown_are_accepted(line):
    words = shlex.split(re.split(r"  +", line)[0])
    _parser(()).parse_args(words[1:])


def test_every_command_is_shown():
    names = re.findall(r"^    ([a-z]+) {2,}", _parser(()).format_help(), re.MULTILINE)
    assert {"run", "demo", "replay", "record", "devices", "check", "doctor"} <= set(names)
    for name in names:
        assert re.search(rf"(pipistrelle|make) {name}\b", TEXT), name


def test_routines_shown_can_be_loaded(tmp_path):
    for number, block in enumerate(code_blocks("yaml")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block)
        assert load_routines(path, commands=())


def test_fault_shown_is_the_one_told(tmp_path):
    path = tmp_path / "appliance.yaml"
    path.write_text("node: den\nsensing:\n  hold: 60\n")
    with pytest.raises(ConfigError) as told:
        load_config(path)
    assert str(told.value).replace(str(path), path.name) in TEXT


def test_json_lines_shown_are_json():
    lines = [line for line in TEXT.splitlines() if line.startswith('{"')]
    assert [json.loads(line)["type"] for line in lines] == ["motion_started", "presence_changed", "summary"]


def test_files_shown_are_there():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (README.parent / target).exists(), target
