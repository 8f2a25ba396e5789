"""Whatever ends a run, what is done is kept, is told in plain words, and the next run goes on."""

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import psutil
import pytest
from evaluation.small_run import small_cases, small_evaluation

from appliance.errors import ApplianceError, SourceError
from appliance.evaluation import crew, judge
from appliance.evaluation.crew import CrewLost, on_cluster, on_cores
from appliance.evaluation.judge import StaleWorker, Subject, code_version
from appliance.evaluation.store import ResultsError, Store

DEADLINE_S = 120.0


def wait_until(holds, what):
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results", version="1")


@pytest.fixture(scope="module")
def outcome():
    (case,) = small_cases(1, 6.0)
    return judge.judge(case, Subject(), code_version())


def test_a_result_comes_back_as_it_was(store, outcome):
    one, other = small_cases(2)
    assert store.load(one) is None
    store.save(one, outcome)
    assert store.load(one)["simulated_s"] == outcome["simulated_s"]
    assert store.load(other) is None
    assert Store(store.folder, version="2").load(one) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\x00", '{"case'])
def test_a_damaged_result_is_judged_again(store, outcome, text):
    (case,) = small_cases(1)
    store.save(case, outcome)
    (path,) = store.folder.iterdir()
    path.write_text(text)
    assert store.load(case) is None


def test_a_full_disk_is_told_and_leaves_what_is_there(store, outcome, monkeypatch):
    one, other = small_cases(2)
    store.save(one, outcome)

    def full(path, text, **_):
        with path.open("w") as file:
            file.write(text[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ResultsError, match=r"No space left on device; what is done is kept"):
        store.save(other, outcome)
    assert store.load(one) is not None
    assert store.load(other) is None
    assert len(list(store.folder.iterdir())) == 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="--results"):
        Store(tmp_path / "file" / "results", version="1")


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_leaves_no_worker_behind(tmp_path):
    """SIGKILL, as the kernel does it when memory is short."""
    results = tmp_path / "results"
    command = [sys.executable, "-m", "evaluation.small_run", str(results)]
    tests = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((tests, str(Path(tests).parent)))}
    run = subprocess.Popen(command, env=environment, cwd=tmp_path)
    try:
        wait_until(lambda: results.is_dir() and any(results.glob("*.json")), "a result")
        workers = psutil.Process(run.pid).children(recursive=True)
    finally:
        run.kill()
        run.wait()
    done = len(list(results.glob("*.json")))
    wait_until(
        lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers), "workers' end"
    )
    again = subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert f"8 cases, {done} of them done" in again.stderr
    assert len(list(results.glob("*.json"))) == 8
    third = subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "8 of them done" in third.stderr


@pytest.mark.slow
def test_a_worker_process_that_is_killed_is_replaced():
    cases = small_cases(6)
    finished = []
    for case, outcome in on_cores(cases, Subject(), code_version(), workers=2):
        assert not isinstance(outcome, ApplianceError)
        finished.append(case)
        if len(finished) == 1:
            ours = psutil.Process().children()
            victim = next(p for p in ours if "spawn_main" in " ".join(p.cmdline()))
            victim.send_signal(signal.SIGKILL)
    assert sorted(finished, key=cases.index) == cases


@pytest.mark.slow
def test_workers_that_die_again_and_again_are_told(monkeypatch):
    class Dying(ProcessPoolExecutor):
        def submit(self, *_args):
            return super().submit(os._exit, 1)

    monkeypatch.setattr(crew, "ProcessPoolExecutor", Dying)
    with pytest.raises(CrewLost, match="3 worker processes died in a row"):
        list(on_cores(small_cases(2), Subject(), code_version(), workers=1))


def test_a_worker_with_other_code_is_refused():
    with pytest.raises(StaleWorker, match="install the same version"):
        judge.judge(small_cases(1)[0], Subject(), "other")


def test_a_case_that_cannot_be_judged_does_not_end_the_run(tmp_path, monkeypatch):
    evaluation = small_evaluation(tmp_path / "results", count=2, duration_s=6.0)
    good, bad = evaluation.cases

    def crew_of(*_args, **_options):
        return lambda cases: iter(
            [(bad, SourceError("no capture")), (good, judge.judge(good, Subject(), code_version()))]
        )

    monkeypatch.setattr("appliance.evaluation.evaluate.crew", crew_of)
    assert evaluation.run(workers=1, scheduler=None) == ["quiet quiet empty: no capture"]
    page, _ = evaluation.report(tmp_path / "out", version="0", date="2026-11-23", operating_point=["hold_s 120"])
    assert "1 of 2 cases are missing" in page.read_text(encoding="utf-8")


def test_no_scheduler_there_is_told(monkeypatch):
    monkeypatch.setattr(crew, "_CONNECT_S", 0.5)
    with pytest.raises(CrewLost, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers there"):
        list(on_cluster(small_cases(1), Subject(), code_version(), scheduler="tcp://127.0.0.1:9"))


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_goes_on():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        cases = small_cases(8, 60.0)
        finished = []
        for case, outcome in on_cluster(cases, Subject(), code_version(), scheduler=cluster.scheduler_address):
            assert not isinstance(outcome, ApplianceError)
            finished.append(case)
            if len(finished) == 1:
                os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        assert sorted(finished, key=cases.index) == cases


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_told():
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    )
    try:
        judging = on_cluster(small_cases(8, 60.0), Subject(), code_version(), scheduler=cluster.scheduler_address)
        next(judging)
        cluster.close()
        with pytest.raises(CrewLost, match="went away; what is done is kept"):
            list(judging)
    finally:
        cluster.close()
