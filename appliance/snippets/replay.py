"""A snippet through the pipeline of the service once more: the same stages, fed block by block as they were then.

What the stages knew when a snippet begins is not in it. One that begins where the stream began, or the tone was
switched on, is judged bit by bit as it was. Any other begins with a room that is yet to be learned, and its hops lie up
to 13 ms beside those of then: see `SETTLE_S`.
"""

from collections.abc import Callable, Iterator

from appliance.features.doppler import Doppler
from appliance.pipeline import Pipeline, Step
from appliance.ports import Detector
from appliance.snippets.snippet import Snippet
from appliance.types import BasebandBlock, Emission, Tones

SETTLE_S = 4.0
"""Behind it, 97 of 100 decisions are those of then, with either detector, in rooms most of which hold a fan, a curtain,
a cat or somebody walking; before it 94."""

_HOLD_S = 3600.0
_LEVEL_DB_SPL = 75.0
"""Plays no part in listening."""


def replay(snippet: Snippet, make_detector: Callable[[Doppler], Detector] | None = None) -> Iterator[Step]:
    """What each block brings.

    Args:
        snippet: what was heard.
        make_detector: as `Pipeline` takes it; None for the threshold detector, at the snippet's operating point.
    """
    facts = snippet.facts
    pipeline = Pipeline(
        rate_hz=facts.pcm_rate_hz,
        mics=snippet.iq.shape[1],
        emission=Emission(tones=Tones(facts.carriers_hz, _LEVEL_DB_SPL)),
        hold_s=_HOLD_S,
        false_alarms_per_day=facts.false_alarms_per_day,
        make_detector=make_detector,
    )
    group_frames = round(facts.pcm_rate_hz / facts.rate_hz)
    at = 0
    for samples, end_frame in snippet.blocks.tolist():
        block = BasebandBlock(
            snippet.iq[:, :, at : at + samples],
            facts.first_frame + at * group_frames,
            facts.rate_hz,
            facts.carriers_hz,
        )
        at += samples
        yield pipeline.sense(block, end_s=(facts.first_frame + end_frame) / facts.pcm_rate_hz)
