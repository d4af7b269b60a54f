/* The arithmetic of the cells with the vectors of lanes.h: one product, and for each cell what is done to each unit before and
 * after it, forward and backward. The equations are those of cells.py, where their sources stand.
 */
#define PANEL 4                   /* vectors side by side in a tile */
#define ROWS (WIDTH == 16 ? 6 : 3) /* sequences in a tile: PANEL * ROWS sums, what they read, and no more fit the registers */

/* Every `unit` from 0 to `count` in steps of WIDTH, with `m` the lanes that exist there. */
#define FOR_UNITS(count) \
    for (int64_t unit = 0; unit < (count); unit += WIDTH) \
        for (F(mask) m = F(lanes)((count) - unit), *once = &m; once; once = 0)

INLINE int64_t F(cut)(int64_t n, int64_t pieces, int64_t i) { return n * i / pieces; }

INLINE int64_t F(panels)(int64_t outputs) { return ((outputs + WIDTH - 1) / WIDTH + PANEL - 1) / PANEL; }

/* One panel of output vectors: for each k, the panel's entries of column k. Entry (j, k) of the matrix [outputs, depth] is
 * weight[j * depth + k], or weight[k * outputs + j] if it is transposed. */
static void F(pack)(const float *weight, int64_t outputs, int64_t depth, int transposed, int64_t p, float *packed) {
    int64_t vectors = (outputs + WIDTH - 1) / WIDTH, count = F(panels)(outputs);
    int64_t from = F(cut)(vectors, count, p) * WIDTH, wide = F(cut)(vectors, count, p + 1) * WIDTH - from;
    int64_t real = outputs - from < wide ? outputs - from : wide;
    float *panel = packed + from * depth;
    for (int64_t start = 0; start < depth; start += 16) { /* so much of a panel stays in the first-level cache */
        int64_t stop = start + 16 < depth ? start + 16 : depth;
        if (transposed)
            for (int64_t k = start; k < stop; k++) memcpy(panel + k * wide, weight + k * outputs + from, sizeof(float) * real);
        else
            for (int64_t j = 0; j < real; j++)
                for (int64_t k = start; k < stop; k++) panel[k * wide + j] = weight[(from + j) * depth + k];
        for (int64_t k = start; k < stop; k++) memset(panel + k * wide + real, 0, sizeof(float) * (wide - real));
    }
}

INLINE void F(tile)(int rows, int vectors, const float *panel, int64_t depth, const float *in, int64_t in_stride, float *out,
                    int64_t out_stride, F(mask) last, int add) {
    VEC sums[ROWS][PANEL];
    const F(mask) whole = F(lanes)(WIDTH);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int q = 0; q < vectors; q++)
            sums[i][q] = add ? F(load)(out + i * out_stride + q * WIDTH, q == vectors - 1 ? last : whole) : (VEC){0};
    for (int64_t k = 0; k < depth; k++, panel += vectors * WIDTH) {
        VEC w[PANEL];
#pragma GCC unroll 8
        for (int q = 0; q < vectors; q++) memcpy(&w[q], panel + q * WIDTH, sizeof(VEC));
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            VEC x = F(all)(in[i * in_stride + k]);
#pragma GCC unroll 8
            for (int q = 0; q < vectors; q++) sums[i][q] += w[q] * x;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int q = 0; q < vectors; q++)
            F(store)(out + i * out_stride + q * WIDTH, sums[i][q], q == vectors - 1 ? last : whole);
}

#define TILE(i, q) \
    case (i) * 8 + (q): F(tile)(i, q, panel, depth, in, in_stride, out, out_stride, last, add); break;
#define TILES(i) TILE(i, 1) TILE(i, 2) TILE(i, 3) TILE(i, 4)

static void F(any_tile)(int64_t rows, int64_t vectors, const float *panel, int64_t depth, const float *in, int64_t in_stride,
                        float *out, int64_t out_stride, F(mask) last, int add) {
    switch (rows * 8 + vectors) {
        TILES(1) TILES(2) TILES(3)
#if WIDTH == 16
        TILES(4) TILES(5) TILES(6)
#endif
    }
}

/* out [rows, outputs] (+)= in [rows, depth] M, with M packed. */
static void F(multiply)(const float *packed, int64_t outputs, int64_t depth, const float *in, int64_t in_stride, float *out,
                        int64_t out_stride, int64_t rows, int add) {
    int64_t vectors = (outputs + WIDTH - 1) / WIDTH, panels = F(panels)(outputs), tiles = (rows + ROWS - 1) / ROWS;
    for (int64_t p = 0; p < panels; p++) {
        int64_t v = F(cut)(vectors, panels, p), to = F(cut)(vectors, panels, p + 1);
        F(mask) last = F(lanes)(outputs - (to - 1) * WIDTH);
        for (int64_t i = 0; i < tiles; i++) {
            int64_t row = F(cut)(rows, tiles, i);
            F(any_tile)(F(cut)(rows, tiles, i + 1) - row, to - v, packed + v * WIDTH * depth, depth, in + row * in_stride,
                        in_stride, out + row * out_stride + v * WIDTH, out_stride, last, add);
        }
    }
}

#define LOAD(pointer) F(load)((pointer) + unit, m)
#define STORE(pointer, value) F(store)((pointer) + unit, value, m)

/* ---- forward: gates hold W x + b; the products with h are added, then each row becomes gates, state and answer ---- */

INLINE void F(rnn_row)(int kind, int64_t hidden, float *gates, float *h, float *y) {
    FOR_UNITS(hidden) {
        VEC a = LOAD(gates), v = kind == RNN_TANH ? F(tanh)(a) : F(within)(a, 0.0f, __builtin_inff());
        STORE(h, v);
        STORE(y, v);
    }
}

INLINE void F(lstm_row)(int kind, int64_t hidden, float *gates, float *extra, const float *peephole, float *h, float *c, float *y) {
    float *at_i = gates, *at_f = gates + hidden, *at_g = gates + (kind == LSTM ? 2 : 1) * hidden, *at_o = at_g + hidden;
    const float *p_f = peephole ? peephole + hidden : 0, *p_o = peephole ? peephole + (at_g - gates) : 0;
    FOR_UNITS(hidden) {
        VEC old = LOAD(c), i = LOAD(at_i), f, o = LOAD(at_o), g = F(tanh)(LOAD(at_g));
        if (peephole) i += LOAD(peephole) * old;
        i = F(logistic)(i);
        if (kind == LSTM) {
            f = LOAD(at_f);
            if (peephole) f += LOAD(p_f) * old;
            f = F(logistic)(f);
            STORE(at_f, f);
            old *= f;
        } else if (kind == LSTM_COUPLED) {
            old *= 1.0f - i;
        }
        VEC new = old + i * g;
        if (peephole) o += LOAD(p_o) * new;
        o = F(logistic)(o);
        VEC v = o * F(tanh)(new);
        STORE(at_i, i);
        STORE(at_g, g);
        STORE(at_o, o);
        STORE(extra, new);
        STORE(c, new);
        STORE(h, v);
        STORE(y, v);
    }
}

INLINE void F(gru_after_row)(int64_t hidden, float *gates, const float *extra, float *h, float *y) {
    float *at_z = gates + hidden, *at_n = at_z + hidden;
    FOR_UNITS(hidden) {
        VEC r = F(logistic)(LOAD(gates)), z = F(logistic)(LOAD(at_z)), n = F(tanh)(LOAD(at_n) + r * LOAD(extra));
        VEC v = n + z * (LOAD(h) - n);
        STORE(gates, r);
        STORE(at_z, z);
        STORE(at_n, n);
        STORE(h, v);
        STORE(y, v);
    }
}

INLINE void F(gru_before_reset)(int64_t hidden, float *gates, float *extra, const float *h) {
    FOR_UNITS(hidden) {
        VEC r = F(logistic)(LOAD(gates)), z = F(logistic)(LOAD(gates + hidden));
        STORE(gates, r);
        STORE(gates + hidden, z);
        STORE(extra, r * LOAD(h));
    }
}

INLINE void F(gru_before_row)(int64_t hidden, float *gates, float *h, float *y) {
    FOR_UNITS(hidden) {
        VEC n = F(tanh)(LOAD(gates + 2 * hidden)), v = n + LOAD(gates + hidden) * (LOAD(h) - n);
        STORE(gates + 2 * hidden, n);
        STORE(h, v);
        STORE(y, v);
    }
}

/* What comes back to the gates and the cell before from `carried`, the gradient at one vector of the cell; the output gate aside. */
INLINE void F(gates_back)(int kind, int64_t hidden, int64_t unit, F(mask) m, const float *gates, const float *peephole, VEC old,
                          VEC carried, float *dc, float *d, float *dp) {
    int64_t G = (kind == LSTM ? 2 : 1) * hidden;
    VEC i = LOAD(gates), g = LOAD(gates + G), d_i = carried * (kind == LSTM_COUPLED ? g - old : g) * (i - i * i);
    STORE(d + G, carried * i * (1.0f - g * g));
    if (kind == LSTM) {
        VEC f = LOAD(gates + hidden), d_f = carried * old * (f - f * f);
        STORE(d + hidden, d_f);
        carried *= f;
        if (peephole) {
            carried += d_f * LOAD(peephole + hidden);
            STORE(dp + hidden, LOAD(dp + hidden) + d_f * old);
        }
    } else if (kind == LSTM_COUPLED) {
        carried *= 1.0f - i;
    }
    if (peephole) {
        carried += d_i * LOAD(peephole);
        STORE(dp, LOAD(dp) + d_i * old);
    }
    STORE(d, d_i);
    STORE(dc, carried);
}

#include "normed.h"

INLINE void F(step)(int kind, const recurrence *r, int64_t first, int64_t from, int64_t rows) {
    int64_t H = r->hidden, G = GATES[kind] * H;
    float *gates = r->gates + first * G, *extra = r->extra ? r->extra + first * H : 0, *y = r->y + first * H, *h = r->h + from * H;
    const float *candidate = r->packed + (2 * H + WIDTH - 1) / WIDTH * WIDTH * H;
    if (IS_LSTM(kind) && r->norm) {
        F(normed_step)(kind, r, first, from, rows);
        return;
    }
    if (r->whole)
        whole_product(r, 0, kind < GRU_AFTER ? G : 2 * H, h, gates, G, from, rows);
    else
        F(multiply)(r->packed, kind < GRU_AFTER ? G : 2 * H, H, h, H, gates, G, rows, 1);
    if (kind == GRU_AFTER) {
        for (int64_t i = 0; i < rows; i++)
            if (r->bias)
                memcpy(extra + i * H, r->bias, sizeof(float) * H);
            else
                memset(extra + i * H, 0, sizeof(float) * H);
    } else if (kind == GRU_BEFORE) {
        for (int64_t i = 0; i < rows; i++) F(gru_before_reset)(H, gates + i * G, extra + i * H, h + i * H);
    }
    if (kind >= GRU_AFTER) {
        const float *in = kind == GRU_AFTER ? h : extra;
        float *out = kind == GRU_AFTER ? extra : gates + 2 * H;
        if (r->whole)
            whole_product(r, 2 * H, H, in, out, kind == GRU_AFTER ? H : G, from, rows);
        else
            F(multiply)(candidate, H, H, in, H, out, kind == GRU_AFTER ? H : G, rows, 1);
    }
    for (int64_t i = 0; i < rows; i++, gates += G, h += H, y += H) {
        if (kind == RNN_TANH || kind == RNN_RELU)
            F(rnn_row)(kind, H, gates, h, y);
        else if (kind < GRU_AFTER)
            F(lstm_row)(kind, H, gates, extra + i * H, r->peephole, h, r->c + (from + i) * H, y);
        else if (kind == GRU_AFTER)
            F(gru_after_row)(H, gates, extra + i * H, h, y);
        else
            F(gru_before_row)(H, gates, h, y);
    }
}

INLINE void F(forward_as)(int kind, const recurrence *r, int64_t from, int64_t to) {
    for (int64_t s = r->begin; s < r->end; s++) {
        int64_t t = r->reverse ? r->end - 1 - (s - r->begin) : s, size = size_of_step(r, t);
        if (from < size) F(step)(kind, r, r->first[t] - r->first[r->begin] + from, from, (to < size ? to : size) - from);
    }
}

#define EACH_KIND(function, ...) \
    switch (r->cell) { \
        case RNN_TANH: function(RNN_TANH, __VA_ARGS__); break; \
        case RNN_RELU: function(RNN_RELU, __VA_ARGS__); break; \
        case LSTM: function(LSTM, __VA_ARGS__); break; \
        case LSTM_NO_FORGET: function(LSTM_NO_FORGET, __VA_ARGS__); break; \
        case LSTM_COUPLED: function(LSTM_COUPLED, __VA_ARGS__); break; \
        case GRU_AFTER: function(GRU_AFTER, __VA_ARGS__); break; \
        case GRU_BEFORE: function(GRU_BEFORE, __VA_ARGS__); break; \
    }

static void F(forward)(const recurrence *r, int64_t share, int64_t from, int64_t to) {
    (void)share;
    EACH_KIND(F(forward_as), r, from, to)
}

/* ---- backward: dh holds what comes from the step after; each row becomes dgates, whose product is dh of the step before ---- */

INLINE void F(rnn_back)(int kind, int64_t hidden, const float *y, const float *dy, const float *dh, float *d) {
    FOR_UNITS(hidden) {
        VEC v = LOAD(y), back = LOAD(dh);
        if (dy) back += LOAD(dy);
        STORE(d, kind == RNN_TANH ? back - back * v * v : F(where_positive)(v, back));
    }
}

INLINE void F(lstm_back)(int kind, int64_t hidden, const float *gates, const float *peephole, const float *c, const float *c_before,
                         const float *dy, const float *dh, float *dc, float *d, float *dp) {
    int64_t G = (kind == LSTM ? 2 : 1) * hidden, O = G + hidden;
    FOR_UNITS(hidden) {
        VEC o = LOAD(gates + O), new = LOAD(c), t = F(tanh)(new), back = LOAD(dh), carried = LOAD(dc);
        if (dy) back += LOAD(dy);
        VEC d_o = back * t * (o - o * o);
        carried += back * o * (1.0f - t * t);
        if (peephole) {
            carried += d_o * LOAD(peephole + G);
            STORE(dp + G, LOAD(dp + G) + d_o * new);
        }
        STORE(d + O, d_o);
        F(gates_back)(kind, hidden, unit, m, gates, peephole, LOAD(c_before), carried, dc, d, dp);
    }
}

INLINE void F(gru_after_back)(int64_t hidden, const float *gates, const float *product, const float *h_before, const float *dy,
                              float *dh, float *d) {
    FOR_UNITS(hidden) {
        VEC r = LOAD(gates), z = LOAD(gates + hidden), n = LOAD(gates + 2 * hidden), back = LOAD(dh);
        if (dy) back += LOAD(dy);
        VEC d_n = (back - back * z) * (1.0f - n * n);
        STORE(d, d_n);
        STORE(d + hidden, d_n * LOAD(product) * (r - r * r));
        STORE(d + 2 * hidden, back * (LOAD(h_before) - n) * (z - z * z));
        STORE(d + 3 * hidden, d_n * r);
        STORE(dh, back * z);
    }
}

INLINE void F(gru_before_back)(int64_t hidden, const float *gates, const float *h_before, const float *dy, float *dh, float *d) {
    FOR_UNITS(hidden) {
        VEC z = LOAD(gates + hidden), n = LOAD(gates + 2 * hidden), back = LOAD(dh);
        if (dy) back += LOAD(dy);
        STORE(d + 2 * hidden, (back - back * z) * (1.0f - n * n));
        STORE(d + hidden, back * (LOAD(h_before) - n) * (z - z * z));
        STORE(dh, back * z);
    }
}

INLINE void F(gru_reset_back)(int64_t hidden, const float *gates, const float *h_before, const float *d_product, float *dh, float *d) {
    FOR_UNITS(hidden) {
        VEC r = LOAD(gates), back = LOAD(d_product);
        STORE(d, back * LOAD(h_before) * (r - r * r));
        STORE(dh, LOAD(dh) + back * r);
    }
}

/* sums [width] += the sum over rows of d; a step's rows are summed first, so that rounding grows with the steps alone. */
INLINE void F(add_rows)(const float *d, int64_t width, int64_t rows, float *sums) {
    FOR_UNITS(width) {
        VEC sum = {0};
        for (int64_t i = 0; i < rows; i++) sum += LOAD(d + i * width);
        STORE(sums, LOAD(sums) + sum);
    }
}

INLINE void F(step_back)(int kind, const recurrence *r, int64_t t, int64_t from, int64_t rows, float *sums) {
    int64_t H = r->hidden, G = GATES[kind] * H, D = DGATES[kind] * H, row = r->first[t] + from, base, limit;
    int64_t here = row - r->first[r->begin];
    const float *gates = r->gates + row * G, *extra = r->extra ? r->extra + row * H : 0, *dy = r->dy ? r->dy + row * H : 0;
    const float *history = kind < LSTM || kind >= GRU_AFTER ? r->y : r->extra;
    const float *start = kind < LSTM || kind >= GRU_AFTER ? r->h0 : r->c0;
    float *d = r->dgates + here * D, *dh = r->h + from * H, *scratch = r->scratch + from * H;
    before(r, t, &base, &limit);
#define BEFORE(i) (from + (i) < limit ? history + (base + from + (i)) * H : start + (from + (i)) * H)
    for (int64_t i = 0; i < rows; i++) {
        const float *above = dy ? dy + i * H : 0;
        if (kind == RNN_TANH || kind == RNN_RELU)
            F(rnn_back)(kind, H, r->y + (row + i) * H, above, dh + i * H, d + i * D);
        else if (IS_LSTM(kind) && r->norm)
            F(normed_back)(kind, r, gates + i * G, r->product + (row + i) * G, r->scale[row + i], extra + i * H, BEFORE(i), above,
                           dh + i * H, r->c + (from + i) * H, d + i * D, sums + D, r->dproduct + (here + i) * G);
        else if (kind < GRU_AFTER)
            F(lstm_back)(kind, H, gates + i * G, r->peephole, extra + i * H, BEFORE(i), above, dh + i * H,
                         r->c + (from + i) * H, d + i * D, sums + D);
        else if (kind == GRU_AFTER)
            F(gru_after_back)(H, gates + i * G, extra + i * H, BEFORE(i), above, dh + i * H, d + i * D);
        else
            F(gru_before_back)(H, gates + i * G, BEFORE(i), above, dh + i * H, d + i * D);
    }
    if (kind < GRU_AFTER) {
        F(multiply)(r->packed, H, G, IS_LSTM(kind) && r->norm ? r->dproduct + here * G : d, G, dh, H, rows, 0);
    } else if (kind == GRU_AFTER) {
        F(multiply)(r->packed, H, G, d + H, D, dh, H, rows, 1);
    } else {
        F(multiply)(r->packed + (H + WIDTH - 1) / WIDTH * WIDTH * 2 * H, H, H, d + 2 * H, D, scratch, H, rows, 0);
        for (int64_t i = 0; i < rows; i++)
            F(gru_reset_back)(H, gates + i * G, BEFORE(i), scratch + i * H, dh + i * H, d + i * D);
        F(multiply)(r->packed, H, 2 * H, d, D, dh, H, rows, 1);
    }
#undef BEFORE
    F(add_rows)(d, D, rows, sums);
}

INLINE void F(backward_as)(int kind, const recurrence *r, int64_t from, int64_t to, float *sums) {
    for (int64_t s = r->begin; s < r->end; s++) {
        int64_t t = r->reverse ? s : r->end - 1 - (s - r->begin), size = size_of_step(r, t);
        if (from < size) F(step_back)(kind, r, t, from, (to < size ? to : size) - from, sums);
    }
}

static void F(backward)(const recurrence *r, int64_t share, int64_t from, int64_t to) {
    int64_t peepholes = !r->peephole ? 0 : r->cell == LSTM ? 3 : 2, norms = r->norm ? GATES[r->cell] + 2 : 0;
    float *sums = r->sums + share * (DGATES[r->cell] + peepholes + norms) * r->hidden;
    EACH_KIND(F(backward_as), r, from, to, sums)
}

#undef PANEL
#undef NORM_EPSILON
#undef ROWS
#undef FOR_UNITS
#undef TILE
#undef TILES
#undef LOAD
#undef STORE
#undef EACH_KIND
#undef VEC
#undef WIDTH
#undef LANES
