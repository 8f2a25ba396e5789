/* Four microphones side by side; a processor without such registers still runs it, split by the compiler. */

#ifndef PP_QUAD_H
#define PP_QUAD_H

#define PP_MICS_PER_QUAD 4

typedef float pp_quad __attribute__((vector_size(16)));

/* Floats of a real entry, and of a complex one: real parts, then imaginary parts. */
#define PP_REAL_FLOATS PP_MICS_PER_QUAD
#define PP_COMPLEX_FLOATS (2 * PP_MICS_PER_QUAD)

#endif
