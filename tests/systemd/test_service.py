"""The unit as people install it, in a container that systemd has booted: what ends it, and what cannot."""

import json
import re
import time

import pytest
from support.container import say
from support.mosquitto import wait_until

from appliance.starts import FAILED_MAX

from .conftest import RESTART_S, STATE, TOPIC, UNIT

MAX_EXPOSURE = 2.0
UNPLUGGED = 10


def health(live):
    told = live.on(f"{TOPIC}/health")
    return json.loads(told[-1]) if told else {"faults": ["nothing told"], "state": "nothing told"}


def wait_for_faults(live, *faults, deadline_s=RESTART_S):
    wait_until(lambda: health(live)["faults"] == list(faults), f"the faults {faults}", deadline_s)


def wait_for_connections(live, count):
    """Until `online` was told so often: each connection begins with it."""
    wait_until(lambda: live.on(f"{TOPIC}/status").count(b"online") >= count, f"connection {count}", RESTART_S)


def test_it_runs_confined_at_real_time_priority_and_tells_the_broker(service, live, container):
    service.configure(drop_in=["ExecStartPre=-pipistrelle doctor"])
    service.start()
    live.wait_for(f"{TOPIC}/status", b"online")
    wait_for_faults(live)
    wait_until(lambda: live.on(f"{TOPIC}/presence"), "presence")
    assert service.show("ActiveState") == "active"
    assert service.show("StatusText") == "sensing"

    # the doctor ran under all that confines the service, the model runtime that writes its own code among it
    assert "ok   model runtime" in service.log
    assert "ok   signal path" in service.log

    told = container.run("systemd-analyze", "security", "--no-pager", UNIT).stdout
    exposure = float(re.search(r"Overall exposure level for pipistrelle.service: ([0-9.]+)", told)[1])
    say(f"exposure {exposure} of the running service (bar {MAX_EXPOSURE})")
    assert exposure <= MAX_EXPOSURE
    status = container.read(f"/proc/{service.pid}/status")
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    assert "SCHED_RR" in container.run("chrt", "--all-tasks", "--pid", service.pid).stdout
    memory_kb = int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[1])
    say(f"{memory_kb / 1024:.0f} MiB resident, virtual room included")


def test_a_routines_program_runs_confined_at_ordinary_priority(service, live, container):
    routine = {
        "id": "look",
        "triggers": [{"trigger": "mqtt", "topic": "home/look"}],
        "actions": [{"action": "command", "command": "look"}],
    }
    # as a sound card's file, this one can be read by a member of the group alone
    container.write("/run/card", "a card")
    container.run("chown", "root:audio", "/run/card")
    container.run("chmod", "640", "/run/card")
    look = "{ chrt --pid $$; cat /run/card; touch /etc/mark /home/mark; } > $RUNTIME_DIRECTORY/seen 2>&1"
    container.write("/etc/pipistrelle/routines.yaml", json.dumps([routine]))
    service.configure(f"routines: {{file: routines.yaml, commands: {{look: {json.dumps(['sh', '-c', look])}}}}}\n")
    service.start()
    wait_for_faults(live)

    def seen():
        live.publish("home/look", b"now")
        return "/home/mark" in container.run("cat", "/run/pipistrelle/seen", check=False).stdout

    wait_until(seen, "the routine's program", RESTART_S)
    told = container.read("/run/pipistrelle/seen")
    assert "SCHED_OTHER" in told
    assert "a card" in told
    assert "cannot touch '/etc/mark': Read-only file system" in told
    assert "touch: cannot touch '/home/mark'" in told


def test_it_stops_when_asked_and_says_so(service, live, container):
    service.start()
    live.wait_for(f"{TOPIC}/status", b"online")
    container.run("systemctl", "stop", UNIT)
    live.wait_for(f"{TOPIC}/status", b"offline")
    assert (service.show("Result"), service.show("ExecMainStatus")) == ("success", "0")
    assert container.run("ls", "/run/pipistrelle", check=False).returncode != 0


def test_killed_it_is_back(service, live):
    service.start()
    wait_for_connections(live, 1)
    before = service.pid
    began_s = time.monotonic()
    service.signal("KILL")
    live.wait_for(f"{TOPIC}/status", b"offline")
    wait_for_connections(live, 2)
    service.wait_for_start(1)
    say(f"kill -9 to running again: {time.monotonic() - began_s:.1f} s (bar 2 s)")
    assert service.pid != before
    assert service.show("NRestarts") == "1"
    wait_for_faults(live)


def test_hung_it_is_ended_by_the_watchdog_and_says_where(service, live):
    service.start()
    wait_for_connections(live, 1)
    patience_s = int(service.show("WatchdogUSec").removesuffix("s"))
    began_s = time.monotonic()
    service.signal("STOP")
    wait_for_connections(live, 2)
    service.wait_for_start(1)
    say(f"hang to running again: {time.monotonic() - began_s:.1f} s (bar {patience_s} + 2 s)")
    assert "Watchdog timeout" in service.log
    assert "Fatal Python error: Aborted" in service.log
    assert re.search(r'File ".*loop\.py", line \d+ in _exchange', service.log), "where the audio thread was"


def test_without_a_broker_it_lives_and_tells_all_when_there_is_one(service, live, broker):
    service.start()
    wait_for_connections(live, 1)
    before = service.pid
    for _ in range(3):
        told = live.on(f"{TOPIC}/status").count(b"online")
        broker.kill()
        wait_until(lambda: "is gone" in service.log, "the broker missed", RESTART_S)
        assert (service.pid, service.show("ActiveState")) == (before, "active")
        broker.start()
        wait_for_connections(live, told + 1)
        wait_for_faults(live)
    assert service.show("NRestarts") == "0"


MAKE_LOOP = """
import sys
from pathlib import Path
sys.path.insert(0, "/checkout/tests")
from alsa_lab import closed_loop
options = {"mics": 4, "start_s": 3600.0, "distance_m": 4.0, "over": "/dev/null"}
closed_loop(Path("/run/loop"), room="room_process:Walked", options=options, paced_hz=192000)
"""


@pytest.fixture
def card(service, container):
    """Plugs alsa-lib's card in, behind which is a room, and out again."""
    container.run("rm", "-rf", "/run/loop")
    container.run("mkdir", "/run/loop")
    container.run("/opt/pipistrelle/bin/python", "-c", MAKE_LOOP)
    container.run("chmod", "-R", "a+rwX", "/run/loop")
    service.configure(
        "audio: {capture: loop_in, playback: loop_out, mics: 4, format: S32_LE}\n",
        drop_in=["Environment=ALSA_CONFIG_PATH=/run/loop/loop.conf LD_PRELOAD=/wheel/unplugged.so"],
        source="alsa",
    )

    def plug(*, there):
        container.run("rm" if there else "touch", "/run/loop/unplugged")

    return plug


def test_a_card_that_is_unplugged_again_and_again_is_told_and_found_each_time(service, card, live):
    service.start()
    wait_for_connections(live, 1)
    wait_for_faults(live)
    gone_s, back_s = [], []
    for _ in range(UNPLUGGED):
        events = len(live.on(f"{TOPIC}/event"))
        began_s = time.monotonic()
        card(there=False)
        wait_until(lambda: live.on(f"{TOPIC}/status")[-1] == b"offline", "unavailable", RESTART_S)
        gone_s.append(time.monotonic() - began_s)
        assert any(b'"device_lost"' in event for event in live.on(f"{TOPIC}/event")[events:])
        wait_until(lambda: "device_lost" in health(live)["faults"], "the missing card on MQTT", RESTART_S)
        began_s = time.monotonic()
        card(there=True)
        wait_for_faults(live)
        wait_until(lambda: service.show("ActiveState") == "active", "the service", RESTART_S)
        back_s.append(time.monotonic() - began_s)
    say(f"{UNPLUGGED} times; unplugged to unavailable at most {max(gone_s):.1f} s (bar 2 s)")
    say(f"plugged in to sensing at most {max(back_s):.1f} s (bar 5 s)")
    assert service.starts_failed <= 1, "a card that is away does not lead to safe mode"


def test_a_card_that_stays_away_is_told_and_waited_for(service, card, live):
    card(there=False)
    service.container.run("systemctl", "start", "--no-block", UNIT)
    wait_until(lambda: "device_lost" in health(live)["faults"], "the missing card on MQTT", RESTART_S)
    wait_until(lambda: any(b"no such sound card" in error for error in live.on(f"{TOPIC}/error")), "why", RESTART_S)
    live.wait_for(f"{TOPIC}/presence", b'"unknown"')
    wait_until(lambda: "waiting for the sound card" in service.show("StatusText"), "the status", RESTART_S)
    assert service.show("ActiveState") == "activating"
    say("a minute without a card")
    wait_until(lambda: int(service.show("NRestarts")) >= 1, "another process", 2 * RESTART_S)
    assert "status=69" in service.log
    assert service.starts_failed <= 1
    card(there=True)
    wait_for_faults(live)


def test_five_failed_starts_lead_to_safe_mode_which_says_why(service, live, container):
    service.configure("sensing: {hold_s: never}\n")
    container.run("systemctl", "start", "--no-block", UNIT)
    wait_for_faults(live, "safe_mode")
    assert health(live)["state"] == "degraded"
    errors = [json.loads(error)["message"] for error in live.on(f"{TOPIC}/error")]
    assert any("safe mode" in error and "appliance.yaml:3:19: sensing.hold_s" in error for error in errors), errors
    service.wait_for_start(FAILED_MAX)
    assert service.show("StatusText") == "safe mode"
    doctor = container.run("pipistrelle", "doctor", check=False).stdout
    assert re.search(r"^bad  service: runs in safe mode", doctor, re.MULTILINE), doctor
    assert "sensing.hold_s" in doctor

    say("it stays in safe mode when it is killed there, and leaves it when it is restarted")
    service.signal("KILL")
    service.wait_for_start(FAILED_MAX + 1)
    assert service.show("StatusText") == "safe mode"
    service.configure("sensing: {hold_s: 60}\n")
    container.run("systemctl", "restart", UNIT)
    wait_for_faults(live)
    assert service.show("StatusText") == "sensing"
    assert "ok   service" in container.run("pipistrelle", "doctor", check=False).stdout


def test_a_thousand_crashes_never_keep_it_down(service, live, container):
    service.configure(drop_in=["RestartSec=10ms"])
    service.start()
    wait_for_connections(live, 1)
    for failed in range(1, FAILED_MAX + 1):
        wait_until(lambda wanted=failed: service.starts_failed >= wanted, f"start {failed} counted", RESTART_S)
        service.signal("KILL")
    # inside the container, because entering it a thousand times would take longer than the crashes
    storm = (
        f"unit={UNIT}; n={FAILED_MAX}; "
        "pid() { systemctl show --property MainPID --value $unit; }; last=0; while [ $n -lt 1000 ]; do "
        "p=$(pid); if [ $p != 0 ] && [ $p != $last ]; then kill -KILL $p 2>/dev/null && n=$((n + 1)); last=$p; fi; done"
    )
    began_s = time.monotonic()
    container.run("sh", "-c", storm, limit_s=900.0)
    say(f"995 crashes in {time.monotonic() - began_s:.0f} s")
    wait_for_faults(live, "safe_mode")
    service.wait_for_start(1000)
    assert int(service.show("NRestarts")) == 1000
    assert service.show("StatusText") == "safe mode"
    assert "start-limit" not in service.log
    assert "repeated too quickly" not in service.log


@pytest.fixture(params=["full", "full without our folder", "read-only", "read-only without our folder"])
def bad_disk(request, container):
    """Every folder of the disk that the service or systemd might write to for it, as it may be after years."""
    places = ["/tmp", "/var/tmp", "/var/lib" if "without" in request.param else STATE]
    for place in places:
        container.run("mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=20,mode=1777", "tmpfs", place)
        if place == STATE:
            container.run("chown", "pipistrelle:pipistrelle", STATE)
            container.run("chmod", "750", STATE)
        if "full" in request.param:
            use_up = f"cat /dev/zero > {place}/all 2>/dev/null; for n in $(seq 20); do : > {place}/$n; done"
            container.run("sh", "-c", use_up, check=False)
            refusal = "No space left"
        else:
            container.run("mount", "-o", "remount,ro", place)
            refusal = "Read-only"
        assert refusal in container.run("mkdir", f"{place}/new", check=False).stderr
        assert refusal in container.run("dd", "if=/dev/zero", f"of={place}/1", check=False).stderr
    yield
    container.run("systemctl", "stop", UNIT)
    container.run("umount", *places)


def test_with_a_disk_that_cannot_be_written_it_senses_and_says_so(service, bad_disk, live):
    del bad_disk
    service.start()
    wait_for_faults(live, "storage_failed")
    assert health(live)["state"] == "degraded"
    assert json.loads(live.on(f"{TOPIC}/presence")[-1])["presence"] == "unknown"
    live.publish(f"{TOPIC}/set/hold_s", b"77")
    live.wait_for(f"{TOPIC}/settings", b'"hold_s":77.0')
    assert service.show("ActiveState") == "active"
    service.signal("KILL")
    service.wait_for_start(1)
    wait_for_faults(live, "storage_failed")


def test_with_a_clock_at_1970_it_senses_and_says_so(service, live):
    service.configure(drop_in=["Environment=LD_PRELOAD=/wheel/clock_1970.so"])
    service.start()
    wait_for_faults(live, "clock_not_set")
    assert json.loads(live.on(f"{TOPIC}/health")[-1])["at"].startswith("1970-01-01T00:0")
    assert json.loads(live.on(f"{TOPIC}/presence")[-1])["presence"] == "unknown"
    assert service.show("ActiveState") == "active"


def test_without_a_network_it_senses_and_finds_the_broker_when_there_is_one(service, live, broker):
    broker.kill()
    service.start()
    assert service.show("ActiveState") == "active"
    service.wait_for_line("does not answer")
    broker.start()
    wait_for_connections(live, 1)
    wait_for_faults(live)


def test_healthy_is_told_after_it_has_run_as_configured_for_a_while(service, live, container):
    healthy = "pipistrelle-healthy.service"
    container.write(
        "/run/systemd/system/pipistrelle-healthy.timer.d/test.conf", "[Timer]\nOnActiveSec=\nOnActiveSec=3\n"
    )
    try:
        service.start()
        assert container.show(healthy, "ActiveState") == "inactive"
        wait_until(lambda: container.show(healthy, "ActiveState") == "active", "health", RESTART_S)
        service.signal("KILL")
        wait_until(lambda: container.show(healthy, "ActiveState") == "inactive", "the end of health", RESTART_S)
        wait_until(lambda: container.show(healthy, "ActiveState") == "active", "health again", RESTART_S)

        service.configure("sensing: {hold_s: never}\n")
        container.run("systemctl", "restart", "--no-block", UNIT)
        wait_for_faults(live, "safe_mode")
        last = container.show("pipistrelle-healthy.timer", "LastTriggerUSecMonotonic")
        wait_until(
            lambda: container.show("pipistrelle-healthy.timer", "LastTriggerUSecMonotonic") != last,
            "the timer",
            RESTART_S,
        )
        wait_until(lambda: container.show(healthy, "ConditionResult") == "no", "the condition", RESTART_S)
        assert container.show(healthy, "ActiveState") == "inactive"
    finally:
        container.run("rm", "-r", "/run/systemd/system/pipistrelle-healthy.timer.d")


def test_the_local_broker_is_for_this_machine_alone(service, container, broker, tmp_path):
    assert tmp_path
    broker.stop()  # its port is free now
    container.run("sed", "-i", f"s/^listener 1883/listener {broker.port}/", "/etc/pipistrelle/broker.conf")
    container.run("systemctl", "start", "pipistrelle-broker")
    try:
        service.start()
        heard = container.run(
            "timeout", "20", "/opt/pipistrelle/bin/python", "-c",
            "from paho.mqtt.subscribe import simple; print(simple("
            f"'{TOPIC}/status', hostname='127.0.0.1', port={broker.port}).payload)",
        ).stdout  # fmt: skip
        assert heard.strip() in {"b'online'", "b'offline'"}
        listening = container.run(
            "sh", "-c", f"cat /proc/net/tcp /proc/net/tcp6 | grep ':{broker.port:04X} 0*:0000 0A'"
        ).stdout
        assert {line.split()[1].split(":")[0] for line in listening.splitlines()} <= {
            "0100007F",
            "00000000000000000000000001000000",
        }
    finally:
        container.run("systemctl", "stop", "pipistrelle-broker")
        container.run("sed", "-i", "s/^listener [0-9]*/listener 1883/", "/etc/pipistrelle/broker.conf")
