"""A run of a few short cases in a process of its own, to be killed."""

import sys
from pathlib import Path

from appliance.evaluation import evaluate
from appliance.evaluation.cases import Case
from appliance.evaluation.judge import Subject
from appliance.evaluation.split import JUDGING


def small_cases(count, duration_s=20.0):
    first = JUDGING.seed(900_000)
    return [
        Case("quiet", "quiet", "empty", duration_s, seed=first + n, room=first + n, unit=first) for n in range(count)
    ]


def small_evaluation(results, count=8, duration_s=20.0):
    evaluate.cases_of = lambda _profile, _subject: small_cases(count, duration_s)
    return evaluate.Evaluation("quick", Subject(), results=results)


if __name__ == "__main__":
    print(small_evaluation(Path(sys.argv[1]), duration_s=30.0).run(workers=2, scheduler=None))
