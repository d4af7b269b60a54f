/* Compiles lanes.h and ARITHMETIC, a header whose functions are F(name), once for each instruction set: as name_portable, and for
 * GCC and Clang on x86 as name_avx2 and name_avx512 too, for which X86 is defined. The header undefines WIDTH, LANES and VEC at its end. */
#define WIDTH 4
#define LANES portable
#include "lanes.h"
#include ARITHMETIC

#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__) && !defined(SAMOYED_PORTABLE)
#define X86 1
#include <immintrin.h>
#define WIDTH 8
#define LANES avx2
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#include "lanes.h"
#include ARITHMETIC
#ifdef __clang__
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx2,fma")
#endif
#define WIDTH 16
#define LANES avx512
#include "lanes.h"
#include ARITHMETIC
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
