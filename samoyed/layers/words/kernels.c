/* Learning word vectors in float32 behind a plain C interface: skip-gram and CBOW (Mikolov 2013), one sentence after another.
 *
 * Every word i of a sentence has a row in `input` and, as a word to be predicted, rows in `output`: its own and those of K noise
 * words (negative sampling), or those of the inner nodes on its path through a Huffman tree (hierarchical softmax). A step takes
 * an input x and targets t with signs s = +1 or -1, and goes down the gradient of -sum_t log sigma(s_t x . o_t):
 *
 *     g_t = rate s_t (1 - sigma(s_t x . o_t)),    o_t += g_t x,    x += sum_t g_t o_t    all with the values before the step.
 *
 * Skip-gram takes a step for each word of the window, which is the input, and the word in its middle, which is predicted. CBOW
 * takes one, whose input is the mean of the window. With `shared`, the noise words are drawn once for a block, whose steps are
 * one: for skip-gram a window (Ji 2016), for CBOW BLOCK middles.
 *
 * Draws are a function of the seed, the word's position in the text, and their number at that word: mixed as in SplitMix64. They
 * do not depend on how a text is divided among threads. Threads write to the same rows without locks (Niu 2011, Hogwild).
 *
 * words.h is compiled once for each instruction set; which is used is decided when the library is loaded.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { SENTENCE = 1000, BLOCK = 8, GROUP = 64 };

/* One call. V words, D numbers of a vector, in rows of `stride` floats, which are a multiple of 16 and end in zeros. The fields
 * are mirrored in library.py. */
typedef struct {
    const int32_t *tokens;   /* [length]: numbers of words; -1 ends a sentence, and none is longer than SENTENCE */
    int64_t length, begin, end; /* sentences that begin at begin .. end - 1 are learned from */
    int64_t position;        /* of tokens[0] in the whole text */
    float *input, *output;   /* [V, stride]; output [V - 1, stride] with a tree */
    int64_t stride, words, window, negatives;
    int64_t cbow, shared, corrected; /* corrected: CBOW passes each word its share of the gradient, not all of it */
    const uint32_t *keep;    /* [V]: the chance that a word is kept, in 2^-32; the largest is certainty */
    const uint32_t *chance;  /* [V], with `other` [V]: Vose's alias table of the noise words */
    const int32_t *other;
    const int64_t *first;    /* [V + 1] or null: where each word's path begins in `nodes` and `signs` */
    const int32_t *nodes;
    const float *signs;
    uint64_t seed;
    float rate;
    float *scratch;          /* [2 window + 2 BLOCK + 2, stride] */
    double loss;             /* added to: the sum of losses before their steps */
    int64_t steps, learned;  /* added to: predictions made, and words that were kept */
} learning;

static inline uint64_t mixed(uint64_t z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}
/* The draw number i at a word whose draws begin at `base`. */
static inline uint64_t draw(uint64_t base, uint64_t i) { return mixed(base + (i + 1) * 0x9E3779B97F4A7C15u); }

static inline int32_t noise(const learning *l, uint64_t drawn) {
    int64_t i = (int64_t)((drawn >> 32) * (uint64_t)l->words >> 32);
    return (uint32_t)drawn < l->chance[i] ? (int32_t)i : l->other[i];
}

/* A sentence after subsampling. */
typedef struct {
    int32_t word[SENTENCE];
    uint64_t base[SENTENCE];
    int n;
} sentence;

/* Reads the sentence that begins at `at`; returns where the next one does. */
static int64_t read_sentence(learning *l, int64_t at, sentence *s) {
    s->n = 0;
    for (; at < l->length && l->tokens[at] >= 0 && s->n < SENTENCE; at++) {
        int32_t word = l->tokens[at];
        uint64_t base = mixed(l->seed + (uint64_t)(l->position + at) * 0xD1342543DE82EF95u);
        if (l->keep[word] != UINT32_MAX && (uint32_t)(draw(base, 0) >> 32) >= l->keep[word]) continue;
        s->word[s->n] = word, s->base[s->n++] = base;
    }
    l->learned += s->n;
    return at + (at < l->length && l->tokens[at] < 0);
}

/* The window of word i: from *low to *high, itself among them. */
static void window_of(const learning *l, const sentence *s, int i, int *low, int *high) {
    int reach = 1 + (int)((draw(s->base[i], 1) >> 32) * (uint64_t)l->window >> 32);
    *low = i < reach ? 0 : i - reach;
    *high = i + reach >= s->n ? s->n - 1 : i + reach;
}

/* A product of probabilities whose logarithm is taken seldom. */
typedef struct {
    double product, sum;
} likelihood;
static inline void times(likelihood *p, double factor) {
    p->product *= factor;
    if (p->product < 1e-200) p->sum += log(p->product), p->product = 1;
}

#define JOIN(a, b) a##_##b
#define NAMED(a, b) JOIN(a, b)
#define F(name) NAMED(name, LANES)
#define INLINE static inline __attribute__((always_inline))

#define ARITHMETIC "../words/words.h"
#include "../recurrence/sets.h"

typedef struct {
    const char *name;
    int width;
    void (*learn)(learning *);
} code;

static const code CODES[] = {
#ifdef X86
    {"avx512", 16, learn_avx512},
    {"avx2", 8, learn_avx2},
#endif
    {"portable", 4, learn_portable},
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
/* What was compiled. */
const char *samoyed_source(void) { return SAMOYED_SOURCE; }

/* Learns from the call's part of the text, in one thread. */
void samoyed_learn(learning *l) { chosen->learn(l); }

#if defined(_WIN32)
void *PyInit__kernels(void) { return 0; } /* the linker asks for it */
#endif
