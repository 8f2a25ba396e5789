"""The updater: what it finds, what it tells, and what becomes of a wish. RAUC alone is a stand-in here."""

import functools
import http.server
import json
import sys
import threading

import pytest

from appliance.card.update import Offer, UpdateError, Updater, newest, offer_of_folder, offer_of_url
from appliance.cli import update as cli
from appliance.cli.main import main
from appliance.outputs.commands import CommandRejected
from appliance.updates import Told, Updates, updates_of

BUNDLES = ("pipistrelle-1.2.9-arm64.raucb", "pipistrelle-1.2.10-arm64.raucb", "pipistrelle-1.2.3-arm64.raucb")
OTHERS = ("pipistrelle-9.9.9-arm64.img.xz", "SHA256SUMS", "pipistrelle-9.9-arm64.raucb", "x-9.9.9-arm64.raucb")
PROGRESS = "installing\\n  0% Installing\\n 40% Checking\\n 80% Copying image to rootfs.1\\n100% Installing done.\\n"


def rauc(tmp_path, *, says=PROGRESS, code=0):
    """Stands where RAUC does: notes how it was called, and what was told meanwhile."""
    script = tmp_path / "rauc.py"
    script.write_text(
        "import pathlib, sys\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "with (here / 'called').open('a') as called:\n    print(*sys.argv[1:], file=called)\n"
        f"sys.stdout.write('{says}')\nsys.exit({code})\n"
    )
    return (sys.executable, str(script), "install")


@pytest.fixture
def told(tmp_path):
    return tmp_path / "run" / "told.json"


def read(told):
    return json.loads(told.read_text())


@pytest.fixture
def site(tmp_path):
    """A folder on the network; gives the folder and its URL."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def publish(folder, *names):
    (folder / "SHA256SUMS").write_text("".join(f"{'0' * 64}  {name}\n" for name in names))


def test_the_newest_bundle_is_found_by_its_numbers():
    assert newest([*BUNDLES, *OTHERS]) == ("1.2.10", "pipistrelle-1.2.10-arm64.raucb")
    assert newest(OTHERS) is None


def test_a_folder_offers_its_newest_bundle(tmp_path):
    assert offer_of_folder(tmp_path) is None
    for name in (*BUNDLES, *OTHERS):
        (tmp_path / name).touch()
    assert offer_of_folder(tmp_path) == Offer("1.2.10", str(tmp_path / BUNDLES[1]))


@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_on_the_network_offers_what_its_list_names(site, end):
    folder, url = site
    publish(folder, *BUNDLES, *OTHERS, "../pipistrelle-9.0.0-arm64.raucb")
    assert offer_of_url(url + end) == Offer("1.2.10", f"{url}/{BUNDLES[1]}")


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", b"\xff\xfe\x00", b"a" * 100_000])
def test_a_list_without_bundles_offers_nothing(site, content):
    folder, url = site
    (folder / "SHA256SUMS").write_bytes(content)
    assert offer_of_url(url) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://127.0.0.1:9", "refused"), ("http://[", "Invalid"), ("{site}/none", "not found")],
)
def test_nobody_there_is_said(site, told, url, words):
    updater = Updater(running="1.0.0", told=told)
    with pytest.raises(UpdateError, match=words):
        updater.look(url.format(site=site[1]))
    assert words in read(told)["error"]
    assert read(told)["state"]["latest_version"] == "1.0.0"


@pytest.mark.parametrize(
    ("running", "offered"), [("1.2.9", True), ("1.2.10", False), ("1.2.10+local", False), ("2.0.0", False)]
)
def test_only_newer_ones_are_told(site, told, running, offered):
    folder, url = site
    publish(folder, *BUNDLES)
    offer = Updater(running=running, told=told).look(url)
    assert (offer is not None) == offered
    state = read(told)["state"]
    assert (state["installed_version"], state["latest_version"]) == (running, "1.2.10" if offered else running)
    assert not state["in_progress"]


def test_without_a_url_there_is_nothing_newer(told):
    assert Updater(running="1.0.0", told=told).look(None) is None
    assert read(told)["error"] is None


def test_an_installation_tells_how_far_it_is(told, tmp_path):
    updater, seen = Updater(running="1.0.0", told=told, rauc=rauc(tmp_path)), []
    write = updater._tell
    updater._tell = lambda *args, **more: (write(*args, **more), seen.append(read(told)["state"]["update_percentage"]))
    updater.install(Offer("1.2.10", "http://x/b.raucb"))
    assert (tmp_path / "called").read_text() == "install http://x/b.raucb\n"
    assert seen == [0, 0, 40, 80, 100]
    assert read(told)["state"] == {
        "installed_version": "1.0.0", "latest_version": "1.2.10", "in_progress": True, "update_percentage": 100
    }  # fmt: skip


def test_what_rauc_refuses_is_told_in_its_words(told, tmp_path):
    says = "installing\\n 20% Checking bundle\\nLastError: signature verification failed\\n"
    updater = Updater(running="1.0.0", told=told, rauc=rauc(tmp_path, says=says, code=1))
    with pytest.raises(UpdateError, match="signature verification failed"):
        updater.install(Offer("1.2.10", "b.raucb"))
    assert "signature verification failed" in read(told)["error"]
    assert not read(told)["state"]["in_progress"]


def test_without_rauc_that_is_said(told, tmp_path):
    with pytest.raises(UpdateError, match="No such file"):
        Updater(running="1.0.0", told=told, rauc=(str(tmp_path / "none"),)).install(Offer("1.2.10", "b.raucb"))
    assert "No such file" in read(told)["error"]


@pytest.fixture
def device(tmp_path, monkeypatch, told):
    """The command, on a device of version 1.0.0 whose system is never restarted."""
    version = tmp_path / "version"
    version.write_text("1.0.0\n")
    monkeypatch.setattr(cli, "VERSION", version)
    monkeypatch.setattr(cli, "TRIED", tmp_path / "tried")
    monkeypatch.setattr(cli, "TOLD", told)
    monkeypatch.setattr(cli, "CONFIG_PATH", tmp_path / "appliance.yaml")
    real = Updater.__init__
    monkeypatch.setattr(Updater, "__init__", lambda self, **known: real(self, **known, rauc=rauc(tmp_path)))
    return tmp_path


def test_the_command_installs_from_the_configured_folder(device, site, capsys):
    folder, url = site
    publish(folder, *BUNDLES)
    (device / "appliance.yaml").write_text(f"updates: {{url: {url}}}\n")
    assert main(["update", "look"]) == 0
    assert "version 1.2.10 can be installed" in capsys.readouterr().out
    assert main(["update", "--no-reboot", "install"]) == 0
    assert (device / "called").read_text() == f"install {url}/{BUNDLES[1]}\n"


@pytest.mark.parametrize("config", ["", "updates: {url: 'http://127.0.0.1:9'}", "updates: {url: ftp://x}", "nonsense"])
def test_a_wish_that_cannot_be_granted_is_told(device, told, config, capsys):
    (device / "appliance.yaml").write_text(config)
    assert main(["update", "--no-reboot", "install"]) == 1
    assert read(told)["error"]
    assert capsys.readouterr().err
    assert not (device / "called").exists()


def test_a_stick_is_taken_once(device, told):
    stick = device / "stick"
    stick.mkdir()
    assert main(["update", "--no-reboot", "stick", str(stick)]) == 0
    assert not (device / "called").exists()
    (stick / BUNDLES[0]).touch()
    assert main(["update", "--no-reboot", "stick", str(stick)]) == 0
    assert (device / "called").read_text().count("\n") == 1
    assert main(["update", "--no-reboot", "stick", str(stick)]) == 1
    assert "did not stay" in read(told)["error"]
    assert (device / "called").read_text().count("\n") == 1
    (stick / BUNDLES[1]).touch()
    assert main(["update", "--no-reboot", "stick", str(stick)]) == 0
    assert (device / "called").read_text().count("\n") == 2


def test_an_older_stick_is_left_alone(device):
    stick = device / "stick"
    stick.mkdir()
    (stick / "pipistrelle-0.9.0-arm64.raucb").touch()
    assert main(["update", "--no-reboot", "stick", str(stick)]) == 0
    assert not (device / "called").exists()


def test_elsewhere_than_on_the_image_there_is_no_updater(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "VERSION", tmp_path / "none")
    assert main(["update", "look"]) == 1
    assert "only the SD-card image" in capsys.readouterr().err


def test_the_service_reads_each_word_once(told, tmp_path):
    updates = Updates(told=told, wanted=tmp_path / "wanted")
    assert updates.look() is None
    Updater(running="1.0.0", told=told).look(None)
    assert updates.look() == Told.model_validate_json(told.read_bytes())
    assert updates.look() is None
    told.write_text("{")
    assert updates.look() is None
    updates.install()
    assert (tmp_path / "wanted").exists()


def test_a_wish_that_cannot_be_left_is_refused(told, tmp_path):
    with pytest.raises(CommandRejected, match="cannot be written"):
        Updates(told=told, wanted=tmp_path / "none" / "wanted").install()


def test_outside_the_image_nobody_is_asked():
    assert updates_of({}) is None
    assert updates_of({"RUNTIME_DIRECTORY": "/run/x"}) is None
    assert updates_of({"RUNTIME_DIRECTORY": "/run/x", "PIPISTRELLE_UPDATES": "/run/y"}) is not None
