"""Short linear chirps, by whose echoes one tells how far something is."""

MIN_CHIRP_HZ = 34_000.0
MAX_CHIRP_HZ = 46_000.0
"""Both ends of a sweep: 2 kHz within 32 and 48 kHz, beyond which less than -60 dB of a pulse's energy then lies."""

MIN_SWEEP_HZ = 5_000.0
MIN_PULSE_S = 0.005
MAX_PULSE_S = 0.04
MIN_PULSE_FADE_S = 0.001
MAX_PULSE_FADE_S = 0.002
MIN_PULSES_HZ = 10.0
MAX_PULSES_HZ = 25.0
