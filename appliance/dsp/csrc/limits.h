/* Ranges that every part of the core keeps to, and the way a create function says why it refused. */

#ifndef PP_LIMITS_H
#define PP_LIMITS_H

#define PP_MAX_MICS 8
#define PP_MAX_CARRIERS 4
#define PP_MAX_ROWS (PP_MAX_CARRIERS * PP_MAX_MICS)
#define PP_MAX_OUTPUTS 8

/* Nothing below this is ever emitted; the same figure as appliance.physics.MIN_CARRIER_HZ. */
#define PP_MIN_EMITTED_HZ 32000.0

/* Carriers keep this far from half the rate, so that their mirror image falls into the stop band. */
#define PP_NYQUIST_MARGIN_HZ 1100.0

/* No card is faster, and no baseband is as fast as a card. */
#define PP_MAX_BASEBAND_HZ 384000.0

/* A create function that returns NULL has written its reason, one line, into a buffer of this many bytes. */
#define PP_REASON_BYTES 160

/* What an int32 sample of full scale 1.0 is. */
#define PP_FULL_SCALE 2147483648.0

#endif
