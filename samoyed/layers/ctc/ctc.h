/* The arithmetic of kernels.c for one instruction set. Arrays of scratch are as long as whole vectors. */
#define IVEC F(ivec)

INLINE VEC F(get)(const float *p) {
    VEC v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE IVEC F(get_whole)(const float *p) {
    IVEC v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void F(put)(float *p, VEC v) { memcpy(p, &v, sizeof v); }
INLINE void F(put_whole)(float *p, IVEC v) { memcpy(p, &v, sizeof v); }
INLINE IVEC F(whole)(int32_t x) { return x - (IVEC){0}; }

#if WIDTH == 16
INLINE IVEC F(larger)(IVEC a, IVEC b) { return (IVEC)_mm512_max_epi32((__m512i)a, (__m512i)b); }
INLINE VEC F(above)(VEC a, VEC b) { return (VEC)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE float F(total)(VEC v) { return _mm512_reduce_add_ps((__m512)v); }
INLINE float F(largest)(VEC v) { return _mm512_reduce_max_ps((__m512)v); }
INLINE int F(any)(IVEC v) { return _mm512_test_epi32_mask((__m512i)v, (__m512i)v) != 0; }
#elif WIDTH == 8
INLINE IVEC F(larger)(IVEC a, IVEC b) { return (IVEC)_mm256_max_epi32((__m256i)a, (__m256i)b); }
INLINE VEC F(above)(VEC a, VEC b) { return (VEC)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE float F(total)(VEC v) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
INLINE float F(largest)(VEC v) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}
INLINE int F(any)(IVEC v) { return !_mm256_testz_si256((__m256i)v, (__m256i)v); }
#else
INLINE IVEC F(larger)(IVEC a, IVEC b) {
    IVEC first = a > b;
    return (first & a) | (~first & b);
}
INLINE VEC F(above)(VEC a, VEC b) { return F(pick)(a > b, a, b); }
INLINE float F(total)(VEC v) { return (v[0] + v[2]) + (v[1] + v[3]); }
INLINE float F(largest)(VEC v) {
    float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
    return a > b ? a : b;
}
INLINE int F(any)(IVEC v) { return (v[0] | v[1] | v[2] | v[3]) != 0; }
#endif

/* m 2^d for m from 1 up and d up to about 0; what is below 2^-126 may stay there, beside a summand of at least 1, or become 0. */
INLINE VEC F(beside)(VEC m, IVEC d) { return (VEC)((IVEC)m + (F(larger)(d, F(whole)(-126)) << 23)); }
INLINE VEC F(or_0)(VEC m, IVEC d) { return (VEC)((d > -126) & (IVEC)F(beside)(m, d)); }

/* A sum 2^e with its m brought back between 1 and 2, written to m and e. */
INLINE void F(write)(float *m, float *e, VEC sum, IVEC power) {
    IVEC bits = (IVEC)sum;
    F(put)(m, (VEC)((bits & 0x7fffff) | 0x3f800000));
    F(put_whole)(e, F(larger)(power + (bits >> 23) - 127, F(whole)(NONE)));
}

INLINE void F(nothing)(float *m, float *e, int64_t from, int64_t to) {
    for (; from < to; from += WIDTH) F(put)(m + from, F(all)(1.0f)), F(put_whole)(e + from, F(whole)(NONE));
}

static void F(set)(float *m, float *e, int64_t at, int32_t power) {
    m[at] = 1.0f;
    memcpy(e + at, &power, sizeof power);
}

/* exp(x - max x) of a frame: m and e of each, with a 0 behind them, and floats in `out` unless it is null; the sum of the floats,
 * or NaN if one of x is NaN or their largest not finite. */
INLINE float F(row)(const float *x, int64_t n, float *m, float *e, float *out) {
    int64_t end = up(n);
    memcpy(m, x, sizeof(float) * n);
    for (int64_t i = n; i < end; i++) m[i] = -INFINITY;
    VEC best = F(get)(m), sum = F(all)(0.0f);
    IVEC bad = best != best;
    for (int64_t i = WIDTH; i < end; i += WIDTH) {
        VEC v = F(get)(m + i);
        bad |= v != v, best = F(above)(v, best);
    }
    float top = F(largest)(best);
    if (F(any)(bad) || !(top > -INFINITY && top < INFINITY)) return NAN;
    for (int64_t i = 0; i < end; i += WIDTH) {
        VEC v = F(get)(m + i) - top, tail;
        IVEC gone = v < LEAST, n_bits = F(exp_split)(F(within)(v, LEAST, 0.0f), &tail);
        IVEC power = (gone & NONE) | (~gone & (n_bits - 0x4b400000));
        VEC p = F(or_0)(1.0f + tail, power);
        F(put)(m + i, 1.0f + tail), F(put_whole)(e + i, power);
        sum += p;
        if (out && i + WIDTH <= n)
            F(put)(out + i, p);
        else if (out && i < n)
            F(store)(out + i, p, F(lanes)(n - i));
    }
    F(set)(m, e, end, NONE);
    return F(total)(sum);
}

/* a of one frame from that of the frame before it. */
INLINE void F(forward)(const layout *l, const float *last, float *now, VEC blank_m, IVEC blank_e, const float *skip) {
    const int64_t label_e = LABEL_E(l), b_m = BLANK_M(l), b_e = BLANK_E(l), s_m = SAID_M(l), s_e = SAID_E(l);
    for (int64_t i = 0; i < l->places; i += WIDTH) {
        VEC stay = F(get)(last + LABEL_M + i), blank = F(get)(last + b_m + i), before = F(get)(last + LABEL_M + i - 1);
        IVEC stay_e = F(get_whole)(last + label_e + i), bl_e = F(get_whole)(last + b_e + i);
        IVEC before_e = F(get_whole)(last + label_e + i - 1), over_e = before_e + F(get_whole)(skip + i);
        IVEC e = F(larger)(bl_e, before_e);
        VEC sum = F(beside)(blank, bl_e - e) + F(beside)(before, before_e - e);
        F(write)(now + b_m + i, now + b_e + i, sum * blank_m, e + blank_e);
        e = F(larger)(F(larger)(stay_e, bl_e), over_e);
        sum = F(beside)(stay, stay_e - e) + F(beside)(blank, bl_e - e) + F(beside)(before, over_e - e);
        F(write)(now + LABEL_M + i, now + label_e + i, sum * F(get)(now + s_m + i), e + F(get_whole)(now + s_e + i));
    }
    F(set)(now, now + (label_e - LABEL_M), LABEL_M - 1, NONE);
}

/* b of one frame from p b of the frame ahead, which is replaced by that of this one: what each label's place has of P, in units of
 * 2^power, to `share`; returns that of all blanks. */
INLINE float F(backward)(const layout *l, const float *now, float *ahead, VEC blank_m, IVEC blank_e, const float *skip, int32_t power,
                         float *share, float *whole) {
    const int64_t label_e = LABEL_E(l), b_m = BLANK_M(l), b_e = BLANK_E(l), s_m = SAID_M(l), s_e = SAID_E(l), wide = l->places + BLOCK;
    float *q_m = ahead, *q_e = ahead + wide, *qb_m = ahead + 2 * wide, *qb_e = ahead + 3 * wide;
    VEC blanks = F(all)(0.0f), labels = F(all)(0.0f);
    for (int64_t i = 0; i < l->places; i += WIDTH) {
        VEC stay = F(get)(q_m + i), blank = F(get)(qb_m + i), next = F(get)(qb_m + i + 1), over = F(get)(q_m + i + 1);
        IVEC stay_e = F(get_whole)(q_e + i), bl_e = F(get_whole)(qb_e + i), next_e = F(get_whole)(qb_e + i + 1);
        IVEC over_e = F(get_whole)(q_e + i + 1) + F(get_whole)(skip + i + 1);
        IVEC e = F(larger)(bl_e, stay_e);
        VEC sum = F(beside)(blank, bl_e - e) + F(beside)(stay, stay_e - e);
        blanks += F(or_0)(sum * F(get)(now + b_m + i), e + F(get_whole)(now + b_e + i) - power);
        F(write)(qb_m + i, qb_e + i, sum * blank_m, e + blank_e);
        e = F(larger)(F(larger)(stay_e, next_e), over_e);
        sum = F(beside)(stay, stay_e - e) + F(beside)(next, next_e - e) + F(beside)(over, over_e - e);
        VEC part = F(or_0)(sum * F(get)(now + LABEL_M + i), e + F(get_whole)(now + label_e + i) - power);
        F(put)(share + i, part), labels += part;
        F(write)(q_m + i, q_e + i, sum * F(get)(now + s_m + i), e + F(get_whole)(now + s_e + i));
    }
    float of_blanks = F(total)(blanks);
    *whole = of_blanks + F(total)(labels);
    return of_blanks;
}

static void F(fill)(float *row, int64_t n, float value) {
    for (int64_t i = 0; i < n; i++) row[i] = value;
}

/* The gradient of one utterance, whose rows hold exp(x - max x), from its frames and P = m 2^power. */
INLINE void F(descend)(const ctc *c, const layout *l, float *scratch, float *gradient, int64_t steps, int64_t many, int32_t power) {
    float *ahead = scratch + l->ahead, *share = scratch + l->share, *scale = scratch + l->scale;
    const float *skip = scratch + l->skip, *blank_m = scale + up(c->steps), *blank_e = blank_m + up(c->steps);
    const int64_t wide = l->places + BLOCK;
    const int32_t *index = (const int32_t *)(scratch + l->index);
    int32_t e;
    for (int part = 0; part < 4; part += 2) F(nothing)(ahead + part * wide, ahead + (part + 1) * wide, 0, wide);
    F(set)(ahead + 2 * wide, ahead + 3 * wide, many, 0);
    for (int64_t t = steps - 1; t >= 0; t--) {
        float whole, *row = gradient + t * c->letters, inverse = scale[t];
        memcpy(&e, blank_e + t, sizeof e);
        float blanks = F(backward)(l, scratch + (t + 1) * l->frame, ahead, F(all)(blank_m[t]), F(whole)(e), skip, power, share, &whole);
        whole = 1.0f / whole;
        int64_t v = 0;
        for (; v + WIDTH <= c->letters; v += WIDTH) F(put)(row + v, F(get)(row + v) * inverse);
        if (v < c->letters) F(store)(row + v, F(load)(row + v, F(lanes)(c->letters - v)) * inverse, F(lanes)(c->letters - v));
        row[0] -= blanks * whole;
        for (int64_t i = 0; i < many; i++) row[index[i]] -= share[i] * whole;
    }
}

static void F(utterance)(const ctc *c, int64_t b, float *scratch) {
    const int64_t steps = c->lengths[b], many = c->symbol_lengths[b], nil = up(c->letters), *symbols = c->symbols + b * c->most;
    const layout l = laid_out(c, many);
    const int64_t label_e = LABEL_E(&l), b_m = BLANK_M(&l), b_e = BLANK_E(&l), s_m = SAID_M(&l), s_e = SAID_E(&l);
    float *gradient = c->gradient ? c->gradient + b * c->steps * c->letters : 0;
    float *skip = scratch + l.skip, *row_m = scratch + l.row, *row_e = row_m + nil + BLOCK;
    float *scale = scratch + l.scale, *blank_m = scale + up(c->steps), *blank_e = blank_m + up(c->steps);
    int32_t *index = (int32_t *)(scratch + l.index), power;
    if (gradient) F(fill)(gradient + steps * c->letters, (c->steps - steps) * c->letters, 0.0f);
    for (int64_t i = 0; i < l.places; i++) index[i] = (int32_t)(i < many ? symbols[i] : nil);
    for (int64_t i = 0; i < l.places + BLOCK; i++) {
        power = i > 0 && i < many && symbols[i] != symbols[i - 1] ? 0 : NONE;
        memcpy(skip + i, &power, sizeof power);
    }
    F(nothing)(scratch + LABEL_M, scratch + label_e, 0, l.places);
    F(nothing)(scratch + b_m, scratch + b_e, 0, l.places);
    F(set)(scratch, scratch + (label_e - LABEL_M), LABEL_M - 1, NONE);
    F(set)(scratch + b_m, scratch + b_e, 0, 0); /* before the first frame: at the first blank, which says nothing yet */
    double product = 1, sums = 0;
    float *now = scratch;
    for (int64_t t = 0; t < steps; t++) {
        const float *last = now;
        now = scratch + (gradient ? t + 1 : (t + 1) & 1) * l.frame;
        const float *x = c->logits + b * c->over_batch + t * c->over_time;
        float sum = F(row)(x, c->letters, row_m, row_e, gradient ? gradient + t * c->letters : 0);
        if (sum != sum) {
            c->loss[b] = NAN;
            if (gradient) F(fill)(gradient, steps * c->letters, NAN);
            return;
        }
        for (int64_t i = 0; i < l.places; i++) now[s_m + i] = row_m[index[i]], now[s_e + i] = row_e[index[i]];
        scale[t] = 1.0f / sum, blank_m[t] = row_m[0], blank_e[t] = row_e[0];
        memcpy(&power, row_e, sizeof power);
        F(forward)(&l, last, now, F(all)(row_m[0]), F(whole)(power), skip);
        product *= sum;
        if (product > 1e250) sums += log(product), product = 1;
    }
    int32_t e[2];
    memcpy(e, now + b_e + many, sizeof *e);
    memcpy(e + 1, now + label_e + many - 1, sizeof *e);
    power = e[0] > e[1] ? e[0] : e[1];
    if (power < NONE / 2) {
        c->loss[b] = INFINITY;
        if (gradient) F(fill)(gradient, steps * c->letters, NAN);
        return;
    }
    double whole = ldexp(now[b_m + many], e[0] - power) + ldexp(now[LABEL_M + many - 1], e[1] - power);
    c->loss[b] = (float)(sums + log(product) - log(whole) - power * 0.69314718055994530942);
    if (gradient) F(descend)(c, &l, scratch, gradient, steps, many, power);
}

#undef IVEC
#undef VEC
#undef WIDTH
#undef LANES
