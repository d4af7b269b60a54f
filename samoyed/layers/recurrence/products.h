/* Which of whole.h's instructions multiply whole numbers on this processor, and the functions that are called from outside. */
#define BLOCK 16
#define NOTHING 1e-30f /* a row whose numbers are all smaller is a row of zeros */
#define ROOM(depth) (8 + ((depth) + 3) / 4 * 8) /* bytes of a rounded row, whatever the instructions */

/* out [rows, outputs] = bias + in [rows, depth] M, or out += in M if `add`. The fields are mirrored in whole.py. */
typedef struct {
    int64_t rows, outputs, depth, in_stride, out_stride, add, threads;
    const float *in;
    float *out;
    const uint8_t *packed; /* M, from samoyed_whole_pack */
    const float *scales;   /* [outputs] */
    const float *bias;     /* [outputs] or null */
    uint8_t *scratch;      /* rows times ROOM(depth) bytes */
} product;

#define SET plain
#define SHORT 0
#define WIDTH 4
#include "whole.h"

#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__) && !defined(SAMOYED_PORTABLE)
#define WHOLE_X86 1
#include <immintrin.h>
#define SET wide
#define SHORT 1
#define WIDTH 8
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
#include "whole.h"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#if defined(__clang__) || __GNUC__ >= 9
#define WHOLE_VNNI 1
#define SET vnni
#define SHORT 0
#define WIDTH 16
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni,avx2")
#endif
#include "whole.h"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
#endif

typedef struct {
    const char *name;
    int shift; /* what is added to each number of a packed matrix */
    void (*round_row)(const float *, int64_t, uint8_t *);
    void (*multiply)(const product *, int64_t, int64_t, int64_t, int64_t);
} whole_code;

static const whole_code WHOLE_CODES[] = {
#ifdef WHOLE_VNNI
    {"vnni", 128, round_row_vnni, multiply_vnni},
#endif
#ifdef WHOLE_X86
    {"avx2", 0, round_row_wide, multiply_wide},
#endif
    {"portable", 0, round_row_plain, multiply_plain},
};
static const whole_code *whole_chosen;

static int whole_runs_here(const whole_code *some) {
#ifdef WHOLE_X86
    __builtin_cpu_init();
#ifdef WHOLE_VNNI
    if (some->shift)
        return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
    if (some->multiply == multiply_wide) return __builtin_cpu_supports("avx2");
#endif
    (void)some;
    return 1;
}

/* Chooses the instructions by name, or the fastest for null. Returns their name, or null if this processor lacks them. What was
 * packed for others must be packed again. */
const char *samoyed_whole_choose(const char *name) {
    for (size_t i = 0; i < sizeof WHOLE_CODES / sizeof *WHOLE_CODES; i++)
        if ((!name || !strcmp(name, WHOLE_CODES[i].name)) && whole_runs_here(&WHOLE_CODES[i]))
            return (whole_chosen = &WHOLE_CODES[i])->name;
    return 0;
}

/* The name of the instructions chosen. */
const char *samoyed_whole_choice(void) { return whole_chosen->name; }

static int64_t whole_size(int64_t outputs, int64_t depth) { return (outputs + BLOCK - 1) / BLOCK * ((depth + 3) / 4) * 64; }

/* Bytes of a packed matrix [outputs, depth]. */
int64_t samoyed_whole_size(int64_t outputs, int64_t depth) { return whole_size(outputs, depth); }

/* Lays matrix [outputs, depth] out for the instructions chosen. */
void samoyed_whole_pack(int64_t outputs, int64_t depth, const int8_t *matrix, uint8_t *packed) {
    int64_t groups = (depth + 3) / 4;
    for (int64_t b = 0; b * BLOCK < outputs; b++)
        for (int64_t g = 0; g < groups; g++)
            for (int64_t o = 0; o < BLOCK; o++)
                for (int64_t k = 4 * g; k < 4 * g + 4; k++) {
                    int64_t at = b * BLOCK + o;
                    int inside = at < outputs && k < depth;
                    *packed++ = (uint8_t)((inside ? matrix[at * depth + k] : 0) + whole_chosen->shift);
                }
}

static void whole_rows(const product *p, int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++)
        whole_chosen->round_row(p->in + i * p->in_stride, p->depth, p->scratch + i * ROOM(p->depth));
}
