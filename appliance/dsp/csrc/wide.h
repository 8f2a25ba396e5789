/* Plain loops for whatever registers there are: on x86-64 a function marked so is compiled for wide ones as well, and the
 * right one is taken when the module is loaded. */

#ifndef PP_WIDE_H
#define PP_WIDE_H

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define PP_WIDE __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define PP_WIDE
#endif

/* A loop of constant length that stays one until it is made a vector of; laid out first, it would get narrow ones. */
#if defined(__GNUC__) && !defined(__clang__)
#define PP_AS_A_LOOP _Pragma("GCC unroll 1")
#else
#define PP_AS_A_LOOP
#endif

/* What is inlined is compiled for each kind of registers, with the function it goes into. */
#if defined(__GNUC__)
#define PP_INLINE static inline __attribute__((always_inline))
#else
#define PP_INLINE static inline
#endif

#endif
