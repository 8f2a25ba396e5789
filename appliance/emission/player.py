"""The wanted emission as samples."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.dsp.chirp import ChirpSynthesiser, period_frames
from appliance.dsp.tone import ToneSynthesiser
from appliance.emission.limit import amplitude_for, fit
from appliance.physics import MAX_LEVEL_DB_SPL
from appliance.types import Emission

_ROUNDING = 1e-9
"""Of the cap: how much a sum of amplitudes that exactly fills it may be off."""


class EmissionPlayer:
    """Follows the wanted emission by fades, below the sound-pressure cap whatever is wanted.

    A new wish is obeyed when no pulse is under way, which is 40 ms later at most. A pulse that does not fit below the
    cap, because louder tones still fade out, is left out: one that is heard always has its full amplitude.

    Args:
        rate_hz: of the playback.
        outputs: channels of the playback.
        tone_outputs: indices of those that carry tones and chirps, all the same; by default all.
        fade_s: time of a fade of tones, at least 0.05.
        full_scale_db_spl: level at 1 m that the tweeter gives at full scale.
    """

    def __init__(
        self,
        *,
        rate_hz: int,
        outputs: int,
        fade_s: float,
        full_scale_db_spl: float,
        tone_outputs: Sequence[int] | None = None,
    ) -> None:
        self._rate_hz = rate_hz
        self._outputs = outputs
        self._tone_outputs = None if tone_outputs is None or len(tone_outputs) == outputs else list(tone_outputs)
        self._made = outputs if self._tone_outputs is None else 1
        self._full_scale_db_spl = full_scale_db_spl
        self._cap = amplitude_for(MAX_LEVEL_DB_SPL, full_scale_db_spl=full_scale_db_spl)
        self._tone = ToneSynthesiser(rate_hz=rate_hz, outputs=self._made, max_amplitude=self._cap, fade_s=fade_s)
        self._chirp: ChirpSynthesiser | None = None
        self._period_frames = 1
        self._pulse_amplitude = 0.0
        self._wanted = self._obeyed = Emission(on=False)

    @property
    def settled(self) -> bool:
        """What is wanted is what plays, and no fade or pulse is under way."""
        return self._tone.settled and not self._pulse_frames_left and self._wanted == self._obeyed

    def follow(self, emission: Emission) -> None:
        """Begin to change to `emission`, unless it is what plays already."""
        self._wanted = emission

    def process(self, frames: int, *, first_frame: int) -> NDArray[np.int32]:
        """The next samples [frames, outputs].

        Args:
            frames: how many.
            first_frame: the stream's count at the first one, by which pulses begin. What is the answer to a block has
                the count of that block; a jump moves the pulses that begin behind it.

        Raises:
            ValueError: what is wanted can never be played: a carrier or a chirp is out of range.
        """
        samples = np.empty((frames, self._made), np.int32)
        done = 0
        while done < frames:
            part = samples[done : done + self._prepare(first_frame + done)]
            self._tone.process_into(part)
            if self._chirp is not None:
                self._chirp.process_into(part)
            done += len(part)
        if self._tone_outputs is None:
            return samples
        spread = np.zeros((frames, self._outputs), np.int32)
        spread[:, self._tone_outputs] = samples
        return spread

    @property
    def _pulse_frames_left(self) -> int:
        return self._chirp.frames_left if self._chirp is not None else 0

    def _prepare(self, frame: int) -> int:
        """Do what is due at `frame`, and tell how many frames may follow before something else can be."""
        if left := self._pulse_frames_left:
            return left
        if self._wanted != self._obeyed:
            self._obey(self._wanted)
        if self._chirp is None:
            return self._rate_hz
        if to_pulse := -frame % self._period_frames:
            return to_pulse
        if self._tone.loudest + self._pulse_amplitude > self._cap * (1.0 + _ROUNDING):
            return self._period_frames
        self._chirp.begin(self._pulse_amplitude)
        return self._chirp.frames_left

    def _obey(self, emission: Emission) -> None:
        tones = emission.tones if emission.on else None
        chirps = emission.chirps if emission.on else None
        tone_amplitude, self._pulse_amplitude = fit(
            amplitude_for(tones.level_db_spl, full_scale_db_spl=self._full_scale_db_spl) if tones else 0.0,
            amplitude_for(chirps.level_db_spl, full_scale_db_spl=self._full_scale_db_spl) if chirps else 0.0,
            cap=self._cap,
        )
        chirp = None
        if chirps:
            chirp = ChirpSynthesiser(chirps, rate_hz=self._rate_hz, outputs=self._made, max_amplitude=self._cap)
            self._period_frames = period_frames(chirps, rate_hz=self._rate_hz)
        self._tone.play(carriers_hz=tones.carriers_hz if tones else (), amplitude=tone_amplitude)
        self._chirp = chirp
        self._obeyed = emission
