"""Slow, obvious twin of csrc/tone.c: the list of transitions, laid out over the whole time, in float64."""

import numpy as np


def tone(rate_hz, frames, fade_s, wishes):
    """float64 [frames] of full scale.

    `wishes`: (frame, carriers_hz, amplitude), each at least a fade after the one before. Amplitudes are within the
    limit.
    """
    fade_frames = round(fade_s * rate_hz)
    level, frequency_hz = np.zeros((4, frames)), np.zeros((4, frames))
    for start, carriers_hz, amplitude in wishes:
        progress = np.clip((np.arange(frames - start) + 1) / fade_frames, 0, 1)
        done = 0.5 - 0.5 * np.cos(np.pi * progress)
        for v in range(4):
            wanted = v < len(carriers_hz)
            before_level = level[v, start - 1] if start > 0 else 0.0
            before_hz = frequency_hz[v, start - 1] if start > 0 else 0.0
            target_hz = carriers_hz[v] if wanted else before_hz
            from_hz = before_hz if before_level > 0 else target_hz
            target_level = amplitude / len(carriers_hz) if wanted else 0.0
            level[v, start:] = before_level + done * (target_level - before_level)
            frequency_hz[v, start:] = from_hz + done * (target_hz - from_hz)
    # A silent voice waits at the phase where it stopped.
    turns = np.cumsum(np.where(level > 0, frequency_hz, 0) / rate_hz, axis=1) % 1.0
    phase = np.concatenate([np.zeros((4, 1)), turns[:, :-1]], axis=1)
    return (level * np.sin(2 * np.pi * phase)).sum(axis=0)
