"""Slow, obvious twin of csrc/tone.c: the list of transitions, laid out over the whole time, in float64."""

import numpy as np

BLOCK_FRAMES = 128


def tone(rate_hz, frames, fade_s, wishes):
    """float64 [frames] of full scale.

    `wishes`: (frame, carriers_hz, amplitude), each more than a fade after the one before. Amplitudes are within the
    limit. A wish begins with the first block that begins at its frame or later.
    """
    fade_blocks = round(fade_s * rate_hz / BLOCK_FRAMES)
    blocks = -(-frames // BLOCK_FRAMES)
    # Amplitude and frequency at the borders of blocks: straight lines between them.
    level, frequency_hz = np.zeros((4, blocks + 1)), np.zeros((4, blocks + 1))
    for frame, carriers_hz, amplitude in wishes:
        start = -(-frame // BLOCK_FRAMES)
        done = 0.5 - 0.5 * np.cos(np.pi * np.clip(np.arange(blocks + 1 - start) / fade_blocks, 0, 1))
        for v in range(4):
            wanted = v < len(carriers_hz)
            before_level, before_hz = level[v, start], frequency_hz[v, start]
            target_hz = carriers_hz[v] if wanted else before_hz
            from_hz = before_hz if before_level > 0 else target_hz
            target_level = amplitude / len(carriers_hz) if wanted else 0.0
            level[v, start:] = before_level + done * (target_level - before_level)
            frequency_hz[v, start:] = from_hz + done * (target_hz - from_hz)
    borders = np.arange(blocks + 1) * BLOCK_FRAMES
    # A silent voice waits at the phase where it stopped.
    sounds = np.repeat((level[:, :-1] > 0) | (level[:, 1:] > 0), BLOCK_FRAMES, axis=1)[:, :frames]
    level = np.array([np.interp(np.arange(frames), borders, each) for each in level])
    frequency_hz = np.array([np.interp(np.arange(frames), borders, each) for each in frequency_hz])
    turns = np.cumsum(np.where(sounds, frequency_hz, 0) / rate_hz, axis=1) % 1.0
    phase = np.concatenate([np.zeros((4, 1)), turns[:, :-1]], axis=1)
    return (level * np.sin(2 * np.pi * phase)).sum(axis=0)
