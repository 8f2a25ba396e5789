/* Four microphones side by side; a processor without such registers still runs it, split by the compiler. */

#ifndef PP_QUAD_H
#define PP_QUAD_H

#define PP_MICS_PER_QUAD 4

typedef float pp_quad __attribute__((vector_size(16)));

#endif
