"""The slots file: U-Boot's form, what RAUC may ask, and that a cut-off write leaves a whole copy."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.card import bootloader
from appliance.card.bootloader import answer, running_slot
from appliance.card.slots import FILE_BYTES, FILE_NAMES, MAX_TRIES, Slots, SlotsFileBroken, read_slots, write_slots

TRIES = st.integers(0, MAX_TRIES)
SLOTS = st.builds(
    lambda order, a, b, trial: Slots(order, {"A": a, "B": b}, trial),
    st.sampled_from([("A", "B"), ("B", "A")]),
    TRIES,
    TRIES,
    st.sampled_from([None, "A", "B"]),
)


def test_the_form_is_that_of_u_boot():
    raw = Slots().to_bytes()
    assert raw[4:64].rstrip(b"\0") == b"BOOT_A_LEFT=3\0BOOT_B_LEFT=0\0BOOT_ORDER=A B\0BOOT_TRIAL=none"
    assert not any(raw[64:])
    assert int.from_bytes(raw[:4], "little") == zlib.crc32(raw[4:])


@given(SLOTS)
def test_what_is_written_is_read(slots):
    assert Slots.from_bytes(slots.to_bytes()) == slots


@given(SLOTS, st.integers(0, FILE_BYTES - 1), st.integers(1, 255))
def test_a_changed_byte_is_seen(slots, at, change):
    raw = bytearray(slots.to_bytes())
    raw[at] ^= change
    with pytest.raises(SlotsFileBroken):
        Slots.from_bytes(bytes(raw))


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"BOOT_ORDER=A B",
        b"BOOT_A_LEFT=3\0BOOT_B_LEFT=0\0BOOT_ORDER=A A\0BOOT_TRIAL=none",
        b"BOOT_A_LEFT=4\0BOOT_B_LEFT=0\0BOOT_ORDER=A B\0BOOT_TRIAL=none",
        b"BOOT_A_LEFT=3\0BOOT_B_LEFT=-1\0BOOT_ORDER=A B\0BOOT_TRIAL=none",
        b"BOOT_A_LEFT=3\0BOOT_B_LEFT=0\0BOOT_ORDER=A B\0BOOT_TRIAL=C",
        b"\xff",
    ],
)
def test_a_right_check_value_is_not_enough(lines):
    body = lines.ljust(FILE_BYTES - 4, b"\0")
    with pytest.raises(SlotsFileBroken):
        Slots.from_bytes(zlib.crc32(body).to_bytes(4, "little") + body)


def test_an_update_is_on_trial_until_it_is_good():
    slots = Slots().with_state("B", good=False).with_primary("B")
    assert (slots.primary(), slots.trial) == ("B", "B")
    tried = Slots(slots.order, {"A": 3, "B": 1}, slots.trial)
    assert tried.with_boot("B") == tried
    assert tried.with_state("B", good=True) == Slots(("B", "A"), {"A": 3, "B": 3}, None)
    left = tried.with_state("B", good=False)
    assert (left.primary(), left.is_good("B"), left.trial) == ("A", False, None)


def test_a_start_gives_the_tries_back():
    assert Slots(tries_left={"A": 1, "B": 0}).with_boot("A") == Slots()


@pytest.mark.parametrize("written", [0, 1, 4, 100, FILE_BYTES - 1])
@pytest.mark.parametrize("copy", FILE_NAMES)
def test_a_write_that_is_cut_off_leaves_old_or_new(tmp_path, copy, written):
    old, new = Slots(), Slots().with_primary("B")
    write_slots(tmp_path, old)
    for name in FILE_NAMES:
        raw = new.to_bytes()
        if name == copy:
            path = tmp_path / name
            path.write_bytes(raw[:written] + path.read_bytes()[written:])
            break
        (tmp_path / name).write_bytes(raw)
    assert read_slots(tmp_path) in (old, new)


def test_no_whole_copy_is_said(tmp_path):
    (tmp_path / FILE_NAMES[0]).write_bytes(b"?")
    with pytest.raises(SlotsFileBroken, match=r"slots: the check value is wrong; slots.bak: "):
        read_slots(tmp_path)


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("get-primary", "A"),
        ("get-current", "B"),
        ("get-state A", "good"),
        ("get-state B", "bad"),
        ("booted", "slot B has started"),
    ],
)
def test_questions_are_answered(question, line):
    assert answer(question.split(), Slots(), "B")[0] == line


@pytest.mark.parametrize("question", [[], ["get-state"], ["get-state", "C"], ["set-state", "A", "fine"], ["reboot"]])
def test_other_questions_are_refused(question):
    with pytest.raises(ValueError, match="nobody asks"):
        answer(question, Slots(), "A")


def test_the_running_slot_is_what_the_kernel_was_told():
    assert running_slot("ro root=PARTUUID=70697069-03 rauc.slot=B panic=10") == "B"
    for arguments in ("", "rauc.slot=", "rauc.slot=C", "xrauc.slot=A"):
        with pytest.raises(ValueError, match=r"no rauc\.slot"):
            running_slot(arguments)


def test_both_copies_broken_are_made_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bootloader, "running_slot", lambda _arguments: "B")
    assert bootloader.main(["get-state", "B"], card=tmp_path) == 0
    assert capsys.readouterr().out == "good\n"
    assert bootloader.main(["set-primary", "A"], card=tmp_path) == 0
    assert read_slots(tmp_path) == Slots(("A", "B"), {"A": 3, "B": 3}, "A")
    assert bootloader.main(["on-trial"], card=tmp_path) == 1
    assert bootloader.main(["set-primary", "B"], card=tmp_path) == 0
    assert bootloader.main(["on-trial"], card=tmp_path) == 0
    assert bootloader.main(["set-primary"], card=tmp_path) == 1
