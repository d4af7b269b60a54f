/* Recurrent cells in float32 behind a plain C interface: whole sequences, forward and backward.
 *
 * Rows. A batch of sequences lies in rows ordered by time: first the rows of step 0, then those of step 1, and so on. The
 * sequences are sorted by length, longest first, so that the rows of step t are those of sequences 0 .. n_t - 1, with n_t
 * never rising: the layout of torch's PackedSequence. Equal lengths are the case where all n_t are equal. No work is done on
 * padding, for there is none.
 *
 * Where the time goes. The caller computes W x for all rows in one matrix product. What is left is one product with the
 * recurrent matrix per step, and it is the shape of that product that decides: a library that parallelises each step by
 * itself waits for all threads at every step. Here the *batch* is divided, each thread takes its sequences through all
 * steps, and nobody waits. The recurrent matrix is packed once in the order in which the inner loop reads it, so that it
 * streams from the second-level cache; a tile of ROWS sequences by PANEL vectors stays in registers while it does.
 *
 * products.h and whole.h hold the same products in int8, for networks that were quantised.
 *
 * lanes.h holds the vectors, one set for each instruction set, and cells.h the arithmetic, compiled once for each; which is
 * used is decided when the library is loaded. Sums run in an order that depends neither on the number of threads nor on the
 * tiles, so a sequence gets the same numbers in every batch.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { RNN_TANH, RNN_RELU, LSTM, LSTM_NO_FORGET, LSTM_COUPLED, GRU_AFTER, GRU_BEFORE };
#define IS_LSTM(kind) ((kind) >= LSTM && (kind) < GRU_AFTER)

/* One call. B sequences, H hidden units, G gates per unit, N rows. Rows of an array that covers only steps begin .. end - 1
 * count from first[begin]; all others from 0. The fields are mirrored in kernel.py. */
typedef struct {
    int64_t cell, hidden, steps;
    int64_t begin, end;     /* the steps of this call; a sequence may be taken through time in several */
    int64_t reverse;        /* 1: the recurrence runs from the last step to the first */
    int64_t threads;
    const int64_t *first;   /* [steps + 1]: the first row of each step */
    const float *packed;    /* the recurrent matrix, from samoyed_pack */
    const float *peephole;  /* [P, H] or null: input gate, forget gate if there is one, output gate */
    const float *bias;      /* [H] or null: GRU_AFTER, of the candidate's recurrent product */
    float *gates;           /* [n, G H]: W x + b before forward, the gates' values after. Forward: of these steps; backward: all */
    float *extra;           /* [n, H]: LSTM: c. GRU_AFTER: U_n h + bias. GRU_BEFORE: r h. Forward: of these steps; backward: all */
    float *y;               /* [n, H]: h at each step. Forward: of these steps; backward: all */
    float *h, *c;           /* [B, H] forward: the state, carried on. Backward: its gradient, carried back */
    const float *h0, *c0;   /* [B, H] backward: the state at the start */
    const float *dy;        /* [N, H] or null: the gradient that reaches each step from above */
    float *dgates;          /* [n, D H] of these steps: gradients before the nonlinearities; D as in `widths` */
    float *sums;            /* [threads, D H + P H]: sums over rows of dgates, then of the peepholes' gradients; added to */
    float *scratch;         /* [B, H] GRU_BEFORE */
    /* An LSTM whose product and cell are normalised; norm is null for all others. */
    const float *norm, *norm_bias;     /* [G H]: the gain of U h; its shift or null */
    const float *norm_c, *norm_c_bias; /* [H]: the gain of the cell, and its shift */
    const float *input;     /* [n, G H] forward: W x normalised, of these steps; `gates` then takes the gates' values alone */
    float *product;         /* [n, G H]: U h less its mean over its deviation. Forward: of these steps; backward: all */
    float *scale;           /* [n]: one over the deviation of U h. Forward: of these steps; backward: all */
    float *dproduct;        /* [n, G H] of these steps: gradients at U h. Then `sums` go on: [G H] of norm, [H] of norm_c, [H] of its shift */
    const uint8_t *whole;   /* null, or the recurrent matrix in int8 in place of `packed`, of a GRU the gates' and then the candidate's */
    const float *scales;    /* [G H] of `whole` */
    uint8_t *rounded;       /* B times ROOM(H) bytes, for `whole` */
} recurrence;

static const int GATES[] = {1, 1, 4, 3, 3, 3, 3};
static const int DGATES[] = {1, 1, 4, 3, 3, 4, 3}; /* GRU_AFTER: n, r, z, and n times r */

static int64_t size_of_step(const recurrence *r, int64_t t) { return r->first[t + 1] - r->first[t]; }

/* Where the state before step t lies: sequences below *limit have it in row *base + b, others still have the initial one. */
static void before(const recurrence *r, int64_t t, int64_t *base, int64_t *limit) {
    int64_t s = r->reverse ? t + 1 : t - 1;
    int inside = s >= 0 && s < r->steps;
    *base = inside ? r->first[s] : 0;
    *limit = inside ? size_of_step(r, s) : 0;
}

#define JOIN(a, b) a##_##b
#define NAMED(a, b) JOIN(a, b)
#define F(name) NAMED(name, LANES)
#define INLINE static inline __attribute__((always_inline))

#include "products.h"

/* out [rows, outputs] += in [rows, H] times the part of the int8 matrix that begins at output `at`; sequences count from `from`. */
static void whole_product(const recurrence *r, int64_t at, int64_t outputs, const float *in, float *out, int64_t out_stride, int64_t from,
                          int64_t rows) {
    int64_t H = r->hidden;
    product p = {rows, outputs, H, H, out_stride, 1, 1, in, out, r->whole + whole_size(at, H), r->scales + at, 0, r->rounded + from * ROOM(H)};
    whole_rows(&p, 0, rows);
    whole_chosen->multiply(&p, 0, rows, 0, (outputs + BLOCK - 1) / BLOCK);
}

#define ARITHMETIC "cells.h"
#include "sets.h"

typedef struct {
    const char *name;
    int64_t width;
    int64_t (*panels)(int64_t);
    void (*pack)(const float *, int64_t, int64_t, int, int64_t, float *);
    void (*forward)(const recurrence *, int64_t, int64_t, int64_t);
    void (*backward)(const recurrence *, int64_t, int64_t, int64_t);
} code;

static const code CODES[] = {
#ifdef X86
    {"avx512", 16, panels_avx512, pack_avx512, forward_avx512, backward_avx512},
    {"avx2", 8, panels_avx2, pack_avx2, forward_avx2, backward_avx2},
#endif
    {"portable", 4, panels_portable, pack_portable, forward_portable, backward_portable},
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

/* Runs a function on so many threads, as OpenMP runtimes export it. Taken from the runtime that torch has loaded: its threads
 * are awake after a matrix product, and a second pool would fight them for the cores. Without one, a single thread runs. */
static void (*parallel)(void (*)(void *), void *, unsigned, unsigned);
void samoyed_use_threads(void (*start)(void (*)(void *), void *, unsigned, unsigned)) { parallel = start; }

/* The first sequence of each share, such that shares hold about equal numbers of rows. */
static int64_t first_of_share(const recurrence *r, int64_t share, int64_t shares) {
    int64_t batch = 0, rows = r->first[r->end] - r->first[r->begin], seen = 0, b = 0, t = r->end;
    for (int64_t s = r->begin; s < r->end; s++)
        if (size_of_step(r, s) > batch) batch = size_of_step(r, s);
    if (share == shares) return batch;
    while (b < batch && seen * shares < rows * share) {
        while (t > r->begin && size_of_step(r, t - 1) <= b) t--;
        seen += t - r->begin;
        b++;
    }
    return b;
}

typedef struct {
    void (*run)(const void *, int64_t share, int64_t shares);
    const void *what;
    int64_t shares, next;
} division;

static void take_shares(void *data) {
    division *d = data;
    for (;;) {
        int64_t share = __atomic_fetch_add(&d->next, 1, __ATOMIC_RELAXED);
        if (share >= d->shares) return;
        d->run(d->what, share, d->shares);
    }
}

static void divide(void (*run)(const void *, int64_t, int64_t), const void *what, int64_t shares, int64_t threads) {
    division d = {run, what, shares, 0};
    if (!parallel || threads < 2)
        take_shares(&d);
    else
        parallel(take_shares, &d, (unsigned)threads, 0);
}

static void forward(const void *what, int64_t share, int64_t shares) {
    const recurrence *r = what;
    chosen->forward(r, share, first_of_share(r, share, shares), first_of_share(r, share + 1, shares));
}

static void backward(const void *what, int64_t share, int64_t shares) {
    const recurrence *r = what;
    chosen->backward(r, share, first_of_share(r, share, shares), first_of_share(r, share + 1, shares));
}

static void round_rows(const void *what, int64_t share, int64_t shares) {
    const product *p = what;
    whole_rows(p, p->rows * share / shares, p->rows * (share + 1) / shares);
}

static void multiply_share(const void *what, int64_t share, int64_t shares) { /* of the larger side, so that less is read twice */
    const product *p = what;
    int64_t blocks = (p->outputs + BLOCK - 1) / BLOCK, from = p->rows * share / shares, to = p->rows * (share + 1) / shares;
    if (p->rows > p->outputs)
        whole_chosen->multiply(p, from, to - from, 0, blocks);
    else
        whole_chosen->multiply(p, 0, p->rows, blocks * share / shares, blocks * (share + 1) / shares);
}

void samoyed_whole_multiply(const product *p) {
    divide(round_rows, p, p->threads, p->rows < 8 ? 1 : p->threads);
    divide(multiply_share, p, p->threads, p->threads);
}

void samoyed_forward(const recurrence *r) { divide(forward, r, r->threads, r->threads); }
void samoyed_backward(const recurrence *r) { divide(backward, r, r->threads, r->threads); }

/* Numbers that samoyed_pack writes. */
int64_t samoyed_packed_size(int64_t cell, int64_t hidden) {
    int64_t w = chosen->width, whole = (GATES[cell] * hidden + w - 1) / w * w, units = (hidden + w - 1) / w * w;
    int64_t two = (2 * hidden + w - 1) / w * w;
    int64_t forward = cell < GRU_AFTER ? whole : two + units;
    int64_t backward = GATES[cell] * units;
    return (forward > backward ? forward : backward) * hidden;
}

typedef struct {
    const float *weight;
    int64_t outputs, depth;
    int transposed;
    float *packed;
} packing;

static void pack(const void *what, int64_t share, int64_t shares) {
    const packing *p = what;
    (void)shares;
    chosen->pack(p->weight, p->outputs, p->depth, p->transposed, share, p->packed);
}

/* Lays the recurrent matrix weight [G H, H] out for samoyed_forward, or for samoyed_backward. A GRU's is cut where another
 * product begins. */
void samoyed_pack(int64_t cell, int64_t hidden, int64_t back, int64_t threads, const float *weight, float *packed) {
    int64_t h = hidden, all = GATES[cell] * h, w = chosen->width, cut = cell == GRU_BEFORE || (cell == GRU_AFTER && !back);
    int64_t top = cut ? 2 * h : all, beside = back ? (h + w - 1) / w * w * 2 * h : (2 * h + w - 1) / w * w * h;
    packing first = {weight, back ? h : top, back ? top : h, back != 0, packed};
    packing second = {weight + 2 * h * h, h, h, back != 0, packed + beside};
    divide(pack, &first, chosen->panels(first.outputs), threads);
    if (cut) divide(pack, &second, chosen->panels(h), threads);
}

/* previous [n, H]: the h from which each row of steps begin .. end - 1 came. */
void samoyed_previous(const recurrence *r, float *previous) {
    int64_t h = r->hidden;
    for (int64_t t = r->begin; t < r->end; t++) {
        int64_t size = size_of_step(r, t), base, limit;
        before(r, t, &base, &limit);
        if (limit > size) limit = size;
        float *to = previous + (r->first[t] - r->first[r->begin]) * h;
        if (limit) memcpy(to, r->y + base * h, sizeof(float) * limit * h);
        if (size > limit) memcpy(to + limit * h, r->h0 + limit * h, sizeof(float) * (size - limit) * h);
    }
}

/* Asks for large pages under a large array that is about to be written for the first time: one page fault instead of 512. */
void samoyed_large_pages(void *start, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    uintptr_t page = 1u << 21, from = ((uintptr_t)start + page - 1) & ~(page - 1), to = ((uintptr_t)start + bytes) & ~(page - 1);
    if (to > from) madvise((void *)from, to - from, MADV_HUGEPAGE);
#else
    (void)start, (void)bytes;
#endif
}
