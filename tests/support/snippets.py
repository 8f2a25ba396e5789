"""Snippets for tests: small ones out of nothing, and real ones from a pipeline that hears a room."""

import hashlib
import json
import math

import numpy as np
from support.lockstep import FALSE_ALARMS_PER_DAY, TONES

from appliance.features.evidence import FEATURE_VERSION
from appliance.snippets.keeper import Keeping, KeepingPipeline
from appliance.snippets.snippet import SCORE_COLUMNS, Facts, Reason, Snippet

RATE_HZ, GROUP, BLOCK = 2400.0, 80, 24


def facts(**about):
    known = {
        "why": Reason.NEAR_THRESHOLD, "at_s": 1.0, "doubt": 0.5, "source": "threshold", "false_alarms_per_day": 1.0,
        "feature_version": FEATURE_VERSION, "software": "0.1.0", "pcm_rate_hz": 192_000, "rate_hz": RATE_HZ,
        "carriers_hz": (40_000.0,), "first_frame": 79,
    }  # fmt: skip
    return Facts(**known | about)


def small(seed=1, *, blocks=4, mics=2, scores=3, **about):
    """A few blocks of noise around a tone that stands still."""
    rng = np.random.default_rng(seed)
    said = facts(**about)
    shape = (len(said.carriers_hz), mics, blocks * BLOCK)
    iq = (0.1 + 0.1j + 1e-5 * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))).astype(np.complex64)
    ends = (np.arange(1, blocks + 1) * BLOCK - 1) * GROUP + 1
    rows = rng.dirichlet(np.ones(5), scores)
    table = np.column_stack([np.arange(scores) * 0.0267 + 0.05, rows, np.full((scores, 2), math.nan)])
    assert table.shape[1] == len(SCORE_COLUMNS)
    return Snippet(said, iq, np.column_stack([np.full(blocks, BLOCK), ends]).astype(np.int64), table)


def keeping_pipeline(put, *, mics=4, emission=TONES, before_s=5.0, after_s=1.0, least_doubt=0.4, **more):
    keeping = Keeping(before_s=before_s, after_s=after_s, least_doubt=least_doubt, put=put)
    return KeepingPipeline(
        keeping=keeping,
        rate_hz=192_000,
        mics=mics,
        emission=emission,
        hold_s=8.0,
        false_alarms_per_day=FALSE_ALARMS_PER_DAY,
        **more,
    )


def with_header(content, **changes):
    """A file with another header, and a checksum that is right."""
    magic, text, rest = content.split(b"\n", 2)
    said = json.loads(text) | changes
    body = magic + b"\n" + json.dumps(said).encode() + b"\n" + rest[:-32]
    return body + hashlib.sha256(body).digest()
