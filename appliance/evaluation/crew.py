"""Who does the work: this machine's cores, or a Dask cluster. Each result is kept as soon as it is there."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from appliance.errors import ApplianceError
from appliance.evaluation.cases import Case
from appliance.evaluation.judge import Outcome, StaleWorker, Subject, judge

_DEATHS = 3
"""Worker processes that may die one after the other before it is called hopeless."""

_CONNECT_S = 15.0
_WATCH_S = 0.5

Finished = tuple[Case, Outcome | ApplianceError]


class CrewLost(ApplianceError):
    """Nobody is left to do the work; what was done is kept."""


def on_cores(cases: Sequence[Case], subject: Subject, version: str, *, workers: int) -> Iterator[Finished]:
    """Each case with its outcome or its error, as they come.

    Raises:
        CrewLost: processes die again and again.
    """
    # Each process has a core. Threads of BLAS would only wait for one another, and wait busily.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    left = dict.fromkeys(cases, 0)
    deaths = 0
    while left:
        with ProcessPoolExecutor(
            workers, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with, initargs=(os.getpid(),)
        ) as pool:
            asked = {pool.submit(_judged, case, subject, version): case for case in left}
            try:
                for future in as_completed(asked):
                    outcome = future.result()
                    deaths = 0
                    del left[asked[future]]
                    yield asked[future], outcome
            except BrokenProcessPool as error:
                deaths += 1
                if deaths == _DEATHS:
                    raise CrewLost(
                        f"{deaths} worker processes died in a row, out of memory or killed; what is done is kept: "
                        "run the same command again, with fewer --workers if memory is short"
                    ) from error
            finally:
                _forget(asked)


def _forget(asked: dict[Future[Outcome | ApplianceError], Case]) -> None:
    for future in asked:
        future.cancel()


def _judged(case: Case, subject: Subject, version: str) -> Outcome | ApplianceError:
    try:
        return judge(case, subject, version)
    except StaleWorker:
        raise
    except ApplianceError as error:
        return error


def _end_with(parent: int) -> None:
    """A worker whose parent was killed would wait for ever; one that is interrupted leaves that to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def on_cluster(cases: Sequence[Case], subject: Subject, version: str, *, scheduler: str) -> Iterator[Finished]:
    """The same on a Dask cluster, whose workers have this very version installed.

    Raises:
        CrewLost: the scheduler cannot be reached, or went away.
        StaleWorker: a worker has another version.
    """
    import distributed
    from distributed.comm.core import CommClosedError

    try:
        client = distributed.Client(scheduler, timeout=_CONNECT_S)
    except (OSError, ValueError, RuntimeError) as error:
        raise CrewLost(f"{scheduler}: no Dask scheduler answers there: {error}") from error
    with client:
        asked = {
            client.submit(_judged, case, subject, version, key=f"judge-{case.key(version)}", pure=False): case
            for case in cases
        }
        for future in distributed.as_completed(list(asked)):
            case = asked[future]
            try:
                outcome = future.result()
            except distributed.KilledWorker:
                text = (
                    f"{case.section} {case.nuisance} {case.activity}, seed {case.seed}: every worker that tried it died"
                )
                outcome = CrewLost(text)
            except (distributed.CancelledError, CommClosedError, TimeoutError, OSError) as error:
                raise CrewLost(
                    f"{scheduler}: the Dask scheduler went away; what is done is kept: run the same command again"
                ) from error
            yield case, outcome


def crew(
    subject: Subject, version: str, *, workers: int, scheduler: str | None
) -> Callable[[Sequence[Case]], Iterator[Finished]]:
    """What judges cases, here or there."""
    if scheduler is None:
        return lambda cases: on_cores(cases, subject, version, workers=workers)
    return lambda cases: on_cluster(cases, subject, version, scheduler=scheduler)
