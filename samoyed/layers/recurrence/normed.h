/* The LSTM whose recurrent product and cell are normalised before use (Ba, Kiros & Hinton 2016); the equations are those of
 * cells.py. W x comes normalised already. A row is one call, the same for every kind: what its test costs vanishes beside the row. Below, n is U h less its mean over its deviation, and the same goes for the cell.
 */
#define NORM_EPSILON 1e-5f

INLINE float F(total)(VEC v) {
    float sum = 0;
    for (int i = 0; i < WIDTH; i++) sum += v[i];
    return sum;
}

/* The mean of a row of so many numbers, and one over its deviation. */
INLINE float F(mean_of)(const float *row, int64_t count, float *scale) {
    VEC sum = {0}, squares = {0};
    FOR_UNITS(count) sum += LOAD(row);
    float mean = F(total)(sum) / (float)count;
    FOR_UNITS(count) {
        VEC off = LOAD(row) - mean;
        if (count - unit < WIDTH)
            for (int i = (int)(count - unit); i < WIDTH; i++) off[i] = 0;
        squares += off * off;
    }
    *scale = 1.0f / sqrtf(F(total)(squares) / (float)count + NORM_EPSILON);
    return mean;
}

static __attribute__((noinline)) void F(normed_row)(int kind, const recurrence *r, const float *in, float *gates, float *product, float *scale, float *extra,
                          float *h, float *c, float *y) {
    int64_t H = r->hidden, G = GATES[kind] * H, at_g = (kind == LSTM ? 2 : 1) * H, at_o = at_g + H;
    float mean = F(mean_of)(product, G, scale), scale_c;
    FOR_UNITS(G) {
        VEC n = (LOAD(product) - mean) * *scale, a = LOAD(in) + n * LOAD(r->norm);
        if (r->norm_bias) a += LOAD(r->norm_bias);
        STORE(product, n);
        STORE(gates, a);
    }
    FOR_UNITS(H) {
        VEC old = LOAD(c), i = LOAD(gates), g = F(tanh)(LOAD(gates + at_g)), o = LOAD(gates + at_o);
        if (r->peephole) i += LOAD(r->peephole) * old;
        i = F(logistic)(i);
        if (kind == LSTM) {
            VEC f = LOAD(gates + H);
            if (r->peephole) f += LOAD(r->peephole + H) * old;
            f = F(logistic)(f);
            STORE(gates + H, f);
            old *= f;
        } else if (kind == LSTM_COUPLED) {
            old *= 1.0f - i;
        }
        VEC new = old + i * g;
        if (r->peephole) o += LOAD(r->peephole + at_g) * new;
        STORE(gates, i);
        STORE(gates + at_g, g);
        STORE(gates + at_o, F(logistic)(o));
        STORE(extra, new);
        STORE(c, new);
    }
    float mean_c = F(mean_of)(c, H, &scale_c);
    FOR_UNITS(H) {
        VEC shown = (LOAD(c) - mean_c) * scale_c * LOAD(r->norm_c) + LOAD(r->norm_c_bias);
        VEC v = LOAD(gates + at_o) * F(tanh)(shown);
        STORE(h, v);
        STORE(y, v);
    }
}

INLINE void F(normed_step)(int kind, const recurrence *r, int64_t first, int64_t from, int64_t rows) {
    int64_t H = r->hidden, G = GATES[kind] * H;
    F(multiply)(r->packed, G, H, r->h + from * H, H, r->product + first * G, G, rows, 0);
    for (int64_t i = first; i < first + rows; i++) {
        int64_t of = from + i - first;
        F(normed_row)(kind, r, r->input + i * G, r->gates + i * G, r->product + i * G, r->scale + i, r->extra + i * H,
                      r->h + of * H, r->c + of * H, r->y + i * H);
    }
}

/* d: the gradient at what the gates are made of; dp: of the peepholes, then of norm, norm_c and its shift; d_product: at U h. */
static __attribute__((noinline)) void F(normed_back)(int kind, const recurrence *r, const float *gates, const float *product, float scale, const float *c,
                           const float *c_before, const float *dy, const float *dh, float *dc, float *d, float *dp, float *d_product) {
    int64_t H = r->hidden, G = GATES[kind] * H, at_g = (kind == LSTM ? 2 : 1) * H, at_o = at_g + H;
    float *d_norm = dp + (r->peephole ? at_o : 0), *d_norm_c = d_norm + G, *d_shift = d_norm_c + H, scale_c;
    float mean_c = F(mean_of)(c, H, &scale_c);
    VEC sum = {0}, along = {0};
    FOR_UNITS(H) {
        VEC n = (LOAD(c) - mean_c) * scale_c, v = LOAD(r->norm_c), o = LOAD(gates + at_o), back = LOAD(dh);
        VEC t = F(tanh)(n * v + LOAD(r->norm_c_bias));
        if (dy) back += LOAD(dy);
        VEC shown = back * o * (1.0f - t * t);
        STORE(d + at_o, back * t * (o - o * o));
        STORE(d_norm_c, LOAD(d_norm_c) + shown * n);
        STORE(d_shift, LOAD(d_shift) + shown);
        shown *= v; /* 0 beyond the row's end, for back is */
        STORE(d + at_g, shown);
        sum += shown;
        along += shown * n;
    }
    float mean = F(total)(sum) / (float)H, slope = F(total)(along) / (float)H;
    FOR_UNITS(H) {
        VEC new = LOAD(c), n = (new - mean_c) * scale_c, carried = LOAD(dc) + scale_c * (LOAD(d + at_g) - mean - n * slope);
        if (r->peephole) {
            VEC d_o = LOAD(d + at_o);
            carried += d_o * LOAD(r->peephole + at_g);
            STORE(dp + at_g, LOAD(dp + at_g) + d_o * new);
        }
        F(gates_back)(kind, H, unit, m, gates, r->peephole, LOAD(c_before), carried, dc, d, dp);
    }
    sum = along = (VEC){0};
    FOR_UNITS(G) {
        VEC n = LOAD(product), back = LOAD(d);
        STORE(d_norm, LOAD(d_norm) + back * n);
        back *= LOAD(r->norm);
        sum += back;
        along += back * n;
    }
    mean = F(total)(sum) / (float)G, slope = F(total)(along) / (float)G;
    FOR_UNITS(G) STORE(d_product, scale * (LOAD(d) * LOAD(r->norm) - mean - LOAD(product) * slope));
}
