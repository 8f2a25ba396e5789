"""`pipistrelle captures`, and the archive that it makes."""

import hashlib
import io
import json
import tarfile

import numpy as np
import pytest
from support.snippets import small, with_header

from appliance.cli.main import main
from appliance.errors import SourceError
from appliance.snippets.answer import Answer
from appliance.snippets.archive import read_archive, write_archive
from appliance.snippets.folder import SnippetFolder, read_snippet
from appliance.snippets.snippet import Snippet, encode


@pytest.fixture
def folder(tmp_path):
    """With three small captures."""
    folder = SnippetFolder(tmp_path / "captures")
    for seed in range(3):
        folder.write(encode(small(seed, blocks=60)), max_bytes=10_000_000)
    return folder


def captures(folder, *words):
    return main(["captures", words[0], "--directory", str(folder.path), *map(str, words[1:])])


def test_list_tells_what_is_there_and_what_is_damaged(folder, capsys):
    assert captures(folder, "list") == 0
    said = capsys.readouterr().out
    assert said.count("near_threshold") == 3
    assert "3 captures" in said
    assert "captures.on is false" in said
    assert captures(folder, "list", "--json") == 0
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == [1, 2, 3]
    folder.one(2).path.write_bytes(b"")
    assert captures(folder, "list") == 2
    told = capsys.readouterr()
    assert told.out.count("near_threshold") == 2
    assert "truncated" in told.err


def test_where_nothing_was_kept_list_says_so(tmp_path, capsys):
    assert captures(SnippetFolder(tmp_path / "none"), "list") == 0
    assert "0 captures" in capsys.readouterr().out


def test_explain_is_words_and_a_picture(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert captures(folder, "explain", 1, "--picture", tmp_path / "one.png") == 0
    said = capsys.readouterr().out
    for words in (
        "lingered near the threshold",
        "38.8 to 41.2 kHz",
        "captures answer 1 nobody|somebody",
        "judged again",
    ):
        assert words in said
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    assert captures(folder, "explain", 9) == 2
    assert "there is no capture 9" in capsys.readouterr().err


def test_an_answer_is_kept_and_nothing_else_changes(folder):
    before = folder.one(2)
    sound = read_snippet(before.path).iq
    assert captures(folder, "answer", 2, "pet") == 0
    after = read_snippet(folder.one(2).path)
    assert after.facts.answer is Answer.PET
    assert after.iq.tobytes() == sound.tobytes()
    assert abs((folder.one(2).at - before.at).total_seconds()) < 1e-3


def test_delete_wants_names_and_deletes_those(folder, capsys):
    assert captures(folder, "delete") == 2
    assert captures(folder, "delete", 1, 9) == 2
    assert len(folder.kept()) == 3, "none where one of them is not there"
    assert captures(folder, "delete", 1, 3) == 0
    assert [each.number for each in folder.kept()] == [2]
    assert captures(folder, "delete", "--all") == 0
    assert folder.kept() == []
    capsys.readouterr()


def test_an_export_holds_all_once_and_tells_neither_whose_nor_when(folder, tmp_path, capsys):
    path = tmp_path / "home.tar"
    folder.write(folder.one(1).path.read_bytes(), max_bytes=10_000_000)
    (folder.path / "00000009.snippet").write_bytes(b"pipistrelle sn")
    assert captures(folder, "export", path) == 2, "some were left out"
    told = capsys.readouterr().err
    assert "the same sound as 00000001.snippet" in told
    assert "00000009.snippet: truncated" in told
    found = list(read_archive(path))
    assert [each.identity for each in found] == [read_snippet(folder.one(n).path).identity for n in (1, 2, 3)]
    with tarfile.open(path) as archive:
        for member in archive:
            assert (member.mtime, member.uid, member.uname) == (0, 0, "")


def test_there_must_be_something_to_export(tmp_path, capsys):
    assert captures(SnippetFolder(tmp_path / "none"), "export", tmp_path / "home.tar") == 2
    assert "nothing to export" in capsys.readouterr().err
    assert not (tmp_path / "home.tar").exists()


def test_of_an_archive_that_is_cut_off_all_that_is_whole_is_read(folder, tmp_path):
    path = tmp_path / "home.tar"
    write_archive(path, folder.kept())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    first, *rest = read_archive(path)
    assert isinstance(first, Snippet)
    assert len(rest) == 2
    assert all("truncated" in str(each) for each in rest)
    for size in (0, 100, 512, 600):
        path.write_bytes(content[:size])
        with pytest.raises(SourceError, match=r"home\.tar: "):
            list(read_archive(path))


def archive_of(path, manifest, **members):
    with tarfile.open(path, "w") as archive:
        for name, content in {"manifest.json": json.dumps(manifest).encode(), **members}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"format": 0, "snippets": []}, "older version"),
        ({"format": 2, "snippets": []}, "update this software"),
        ({"format": 1}, "is damaged"),
        ({"format": 1, "snippets": [{"file": "../../etc/passwd", "sha256": "0" * 64}]}, "is damaged"),
        ([], "is no export"),
    ],
)
def test_an_archive_of_another_version_or_without_sense_is_named(tmp_path, manifest, words):
    path = tmp_path / "home.tar"
    archive_of(path, manifest)
    with pytest.raises(SourceError, match=words):
        list(read_archive(path))


def test_an_old_snippet_in_an_archive_is_named_and_the_rest_read(folder, tmp_path):
    old, good = with_header(encode(small(7)), format=0), encode(small(8))
    names = {"a" * 16 + ".snippet": old, "b" * 16 + ".snippet": good, "c" * 16 + ".snippet": good}
    said = [{"file": name, "sha256": hashlib.sha256(content).hexdigest()} for name, content in names.items()]
    said[2]["sha256"] = "0" * 64
    path = tmp_path / "home.tar"
    archive_of(path, {"format": 1, "snippets": said}, **names, stranger=b"x")
    old_one, good_one, other, stranger = read_archive(path)
    assert "older version" in str(old_one)
    assert np.array_equal(good_one.iq, small(8).iq)
    assert "not the one that the manifest names" in str(other)
    assert "is not in the manifest" in str(stranger)
