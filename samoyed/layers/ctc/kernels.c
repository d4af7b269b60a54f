/* Connectionist temporal classification (Graves et al. 2006) in float32 behind a plain C interface: the loss of logits and its
 * gradient in one call, the softmax among them.
 *
 * A transcript l_1 .. l_L is read along blank, l_1, blank, l_2, .., l_L, blank: L + 1 blanks and L labels. With p_t the softmax of
 * frame t, a_t(s) is the probability of the first t frames on all paths that end at place s:
 *
 *     a_t(blank i) = p_t(blank) (a_{t-1}(blank i) + a_{t-1}(label i-1)),
 *     a_t(label i) = p_t(l_i) (a_{t-1}(label i) + a_{t-1}(blank i) + [l_i /= l_{i-1}] a_{t-1}(label i-1)),
 *
 * b_t(s) that of the frames after t from s on, P = a_T(last blank) + a_T(last label), the loss -log P, and its slope in the logit
 * of v at t is p_t(v) - sum over the places s of v of a_t(s) b_t(s) / P.
 *
 * What limits it. The usual logarithms cost an exp and most of a log for each place and frame, forward and back, where three
 * additions and a product are asked for; plain probabilities underflow as soon as a network prefers blanks. Here a number is
 * m 2^e, m a float from 1 to 2 and e a whole number beside it: sums shift m by differences of e, in whole numbers, and exp is
 * taken once for each logit. Nothing underflows, and rounding is that of a product, not that of a logarithm of the size of the
 * loss. 0 is any number with e below NONE / 2. Blanks and labels lie in arrays of their own, so that neighbours fill vectors.
 *
 * Threads take one utterance at a time, whose numbers depend on nothing else. lanes.h holds the vectors and ctc.h the arithmetic,
 * compiled once for each instruction set; which is used is decided when the library is loaded.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { NONE = -(1 << 29), BLOCK = 16 };
static const float LEAST = -1e6f; /* a symbol less probable than e^LEAST of its frame's best is impossible */

/* One call: B utterances, T frames, V symbols with the blank at 0, at most L labels. The fields are mirrored in library.py. */
typedef struct {
    const float *logits;             /* [B, T, V]: V in a row, the others so many floats apart */
    int64_t over_batch, over_time;
    const int64_t *symbols;          /* [B, L] */
    const int64_t *lengths, *symbol_lengths; /* [B] */
    int64_t batch, steps, letters, most;     /* B, T, V, L */
    int64_t threads;
    float *loss;                     /* [B]: inf where no path is possible, NaN where a frame has a NaN or no finite maximum */
    float *gradient;                 /* [B, T, V] or null: of each loss; 0 beyond a length, NaN where the loss is inf or NaN */
    float *scratch;                  /* threads times samoyed_room */
    int64_t next;                    /* the utterance that is taken next */
} ctc;

static int64_t up(int64_t n) { return (n + BLOCK - 1) / BLOCK * BLOCK; }

/* Where things lie in a thread's scratch, in floats. A frame has m and e of labels, a guard before either, of blanks, and of what
 * the labels' places emit; without a gradient only two frames are kept. */
typedef struct {
    int64_t places, frame, frames, ahead, skip, index, row, scale, share, all;
} layout;
enum { LABEL_M = BLOCK };
#define LABEL_E(l) ((l)->places + 2 * BLOCK)
#define BLANK_M(l) (2 * (l)->places + 2 * BLOCK)
#define BLANK_E(l) (3 * (l)->places + 2 * BLOCK)
#define SAID_M(l) (4 * (l)->places + 2 * BLOCK)
#define SAID_E(l) (5 * (l)->places + 2 * BLOCK)

/* For utterances of so many labels at most. */
static layout laid_out(const ctc *c, int64_t many) {
    layout l;
    l.places = up(many + 1);
    l.frame = 6 * l.places + 2 * BLOCK;
    l.frames = c->gradient ? c->steps + 1 : 2;
    l.ahead = l.frames * l.frame;                 /* p b of the frame ahead: labels' m and e, blanks', each with a guard behind */
    l.skip = l.ahead + 4 * (l.places + BLOCK);    /* 0 where a label may follow the one before it at once, else NONE */
    l.index = l.skip + l.places + BLOCK;          /* of each label in a row, or of the 0 at its end */
    l.row = l.index + l.places;                   /* m and e of a frame's symbols, and of a 0 */
    l.scale = l.row + 2 * (up(c->letters) + BLOCK); /* of each frame: one over the sum, the blank's m and e */
    l.share = l.scale + 3 * up(c->steps);
    l.all = l.share + l.places;
    return l;
}

/* Floats of scratch that a thread needs. */
int64_t samoyed_room(const ctc *c) { return laid_out(c, c->most).all; }

#define JOIN(a, b) a##_##b
#define NAMED(a, b) JOIN(a, b)
#define F(name) NAMED(name, LANES)
#define INLINE static inline __attribute__((always_inline))

#define ARITHMETIC "../ctc/ctc.h"
#include "../recurrence/sets.h"

typedef struct {
    const char *name;
    int width;
    void (*utterance)(const ctc *, int64_t, float *);
} code;

static const code CODES[] = {
#ifdef X86
    {"avx512", 16, utterance_avx512},
    {"avx2", 8, utterance_avx2},
#endif
    {"portable", 4, utterance_portable},
};
static const code *chosen;

static int runs_here(const code *some) {
#ifdef X86
    __builtin_cpu_init();
    if (some->width == 16) return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma");
    if (some->width == 8) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    (void)some;
    return 1;
}

/* Chooses the instruction set by name, or the widest for null. Returns its name, or null if this processor lacks it. */
const char *samoyed_choose(const char *name) {
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++)
        if ((!name || !strcmp(name, CODES[i].name)) && runs_here(&CODES[i])) return (chosen = &CODES[i])->name;
    return 0;
}

#ifndef SAMOYED_SOURCE
#define SAMOYED_SOURCE ""
#endif
/* The digest of the source that this library was built from. */
const char *samoyed_source(void) { return SAMOYED_SOURCE; }

/* Runs a function on so many threads, as OpenMP runtimes export it: torch's, whose threads are awake after a matrix product. */
static void (*parallel)(void (*)(void *), void *, unsigned, unsigned);
void samoyed_use_threads(void (*start)(void (*)(void *), void *, unsigned, unsigned)) { parallel = start; }

typedef struct {
    ctc *call;
    int64_t slots;
} crew;

static void take(void *data) {
    crew *w = data;
    ctc *c = w->call;
    float *scratch = c->scratch + __atomic_fetch_add(&w->slots, 1, __ATOMIC_RELAXED) * samoyed_room(c);
    for (;;) {
        int64_t b = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED);
        if (b >= c->batch) return;
        chosen->utterance(c, b, scratch);
    }
}

/* Fills loss and gradient. Returns -1, or the first utterance whose lengths or symbols are out of range; then nothing is filled. */
int64_t samoyed_ctc(ctc *c) {
    for (int64_t b = 0; b < c->batch; b++) {
        int64_t many = c->symbol_lengths[b];
        if (many < 0 || many > c->most || c->lengths[b] < 0 || c->lengths[b] > c->steps) return b;
        for (int64_t i = 0; i < many; i++)
            if (c->symbols[b * c->most + i] < 0 || c->symbols[b * c->most + i] >= c->letters) return b;
    }
    crew w = {c, 0};
    if (!parallel || c->threads < 2)
        take(&w);
    else
        parallel(take, &w, (unsigned)c->threads, 0);
    return -1;
}

/* out [B, n] = slopes [B] times gradient [B, n], in one thread: a second would cost more than it saves. */
void samoyed_scale(int64_t batch, int64_t n, const float *slopes, const float *gradient, float *out) {
    for (int64_t b = 0; b < batch; b++)
        for (int64_t i = 0; i < n; i++) out[b * n + i] = slopes[b] * gradient[b * n + i];
}

#if defined(_WIN32)
void *PyInit__kernels(void) { return 0; } /* the linker asks for it */
#endif
