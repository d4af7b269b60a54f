/* The arithmetic of kernels.c for one instruction set. Rows are taken TILE vectors of WIDTH floats at a time, which stay in
 * registers while they meet all targets.
 */
#define TILE (WIDTH == 16 ? 8 : 4)
#define MOST_PAIRS (GROUP * 2 * 64)

INLINE VEC F(get)(const float *p) {
    VEC v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void F(put)(float *p, VEC v) { memcpy(p, &v, sizeof v); }

INLINE float F(total)(VEC v) {
#if WIDTH == 16
    return _mm512_reduce_add_ps((__m512)v);
#elif WIDTH == 8
    __m128 half = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
#else
    return (v[0] + v[2]) + (v[1] + v[3]);
#endif
}

/* Calls piece(n, column, ...) with n = TILE, a constant, over the columns of a row, and with what is left at its end. */
#define TILED(piece, stride, ...)                                              \
    do {                                                                       \
        int64_t at_ = 0, left_ = (stride) / WIDTH;                             \
        for (; left_ >= TILE; left_ -= TILE, at_ += TILE * WIDTH) piece(TILE, at_, __VA_ARGS__); \
        switch (left_) {                                                       \
        case 7: piece(7, at_, __VA_ARGS__); break;                             \
        case 6: piece(6, at_, __VA_ARGS__); break;                             \
        case 5: piece(5, at_, __VA_ARGS__); break;                             \
        case 4: piece(4, at_, __VA_ARGS__); break;                             \
        case 3: piece(3, at_, __VA_ARGS__); break;                             \
        case 2: piece(2, at_, __VA_ARGS__); break;                             \
        case 1: piece(1, at_, __VA_ARGS__); break;                             \
        }                                                                      \
    } while (0)

INLINE float F(product)(int n, const VEC *x, const float *row) {
    VEC even = x[0] * F(get)(row), odd = even - even;
    for (int c = 1; c < n; c++) {
        if (c & 1)
            odd += x[c] * F(get)(row + c * WIDTH);
        else
            even += x[c] * F(get)(row + c * WIDTH);
    }
    return F(total)(even + odd);
}

/* dot[t] += x . o_t over some columns. */
INLINE void F(dots)(int n, int64_t column, const learning *l, const float *x, const int32_t *target, int count, float *dot) {
    VEC mine[8];
    for (int c = 0; c < n; c++) mine[c] = F(get)(x + column + c * WIDTH);
    for (int t = 0; t < count; t++) dot[t] += F(product)(n, mine, l->output + l->stride * target[t] + column);
}

/* e += sum g_t o_t, then o_t += g_t x, over some columns; e may be x. */
INLINE void F(move)(int n, int64_t column, const learning *l, const float *x, float *e, const int32_t *target, int count,
                    const float *g) {
    VEC mine[8], error[8];
    for (int c = 0; c < n; c++) mine[c] = F(get)(x + column + c * WIDTH), error[c] = F(get)(e + column + c * WIDTH);
    for (int t = 0; t < count; t++) {
        float *row = l->output + l->stride * target[t] + column;
        VEC rate = F(all)(g[t]);
        for (int c = 0; c < n; c++) {
            VEC old = F(get)(row + c * WIDTH);
            error[c] += rate * old;
            F(put)(row + c * WIDTH, old + rate * mine[c]);
        }
    }
    for (int c = 0; c < n; c++) F(put)(e + column + c * WIDTH, error[c]);
}

/* As `move` where a target may be there twice: all of e before any o_t changes. */
INLINE void F(pull)(int n, int64_t column, const learning *l, float *e, const int32_t *target, int count, const float *g) {
    VEC error[8];
    for (int c = 0; c < n; c++) error[c] = F(get)(e + column + c * WIDTH);
    for (int t = 0; t < count; t++) {
        const float *row = l->output + l->stride * target[t] + column;
        if (g[t] == 0.0f) continue;
        for (int c = 0; c < n; c++) error[c] += F(all)(g[t]) * F(get)(row + c * WIDTH);
    }
    for (int c = 0; c < n; c++) F(put)(e + column + c * WIDTH, error[c]);
}

/* row += sum_j g[j step] x_j, over some columns. */
INLINE void F(push)(int n, int64_t column, float *row, float *const *x, int count, const float *g, int step) {
    VEC sum[8];
    for (int c = 0; c < n; c++) sum[c] = F(get)(row + column + c * WIDTH);
    for (int j = 0; j < count; j++) {
        if (g[j * step] == 0.0f) continue;
        for (int c = 0; c < n; c++) sum[c] += F(all)(g[j * step]) * F(get)(x[j] + column + c * WIDTH);
    }
    for (int c = 0; c < n; c++) F(put)(row + column + c * WIDTH, sum[c]);
}

INLINE void F(add)(int n, int64_t column, float *to, const float *from, float factor) {
    for (int c = 0; c < n; c++) {
        float *p = to + column + c * WIDTH;
        F(put)(p, F(get)(p) + F(all)(factor) * F(get)(from + column + c * WIDTH));
    }
}

/* Products -> what each moves: g = rate s (1 - sigma(s dot)), none where s = 0; both arrays have room for another vector. */
INLINE void F(gains)(const learning *l, float *dot, const float *sign, int count, likelihood *p) {
    float chance[MOST_PAIRS + 16];
    for (int i = 0; i < count; i += WIDTH) {
        VEC s = F(get)(sign + i), sure = F(logistic)(s * F(get)(dot + i));
        F(put)(chance + i, sure);
        F(put)(dot + i, F(all)(l->rate) * s * (1.0f - sure));
    }
    for (int i = 0; i < count; i++)
        if (sign[i] != 0.0f) times(p, chance[i]);
}

INLINE void F(fetch)(const learning *l, int32_t word) {
    const char *row = (const char *)(l->output + l->stride * word);
    for (int64_t byte = 0; byte < 4 * l->stride; byte += 64) __builtin_prefetch(row + byte, 1);
}

/* One step of the input x, whose change is added to e, which may be x. Twice the same target makes `twice` true. */
INLINE void F(step)(learning *l, const float *x, float *e, const int32_t *target, const float *sign, int count, int twice,
                    likelihood *p) {
    float dot[GROUP + 16];
    memset(dot, 0, sizeof(float) * (count + 16));
    TILED(F(dots), l->stride, l, x, target, count, dot);
    F(gains)(l, dot, sign, count, p);
    if (!twice) {
        TILED(F(move), l->stride, l, x, e, target, count, dot);
        return;
    }
    float *copy = l->scratch + l->stride * (2 * l->window + 2 * BLOCK);
    memcpy(copy, x, sizeof(float) * l->stride);
    TILED(F(pull), l->stride, l, e, target, count, dot);
    for (int t = 0; t < count; t++) TILED(F(push), l->stride, l->output + l->stride * target[t], &copy, 1, dot + t, 1);
}

/* The step of x for the word it predicts: against noise words that begin with draw `at`, or along its path in the tree. */
typedef struct {
    int32_t target[GROUP];
    float sign[GROUP + 16];
    int count, twice;
} F(aim);

INLINE void F(take_aim)(const learning *l, int32_t word, uint64_t base, uint64_t at, F(aim) * aim) {
    int count = 1;
    aim->target[0] = word, aim->sign[0] = 1, aim->twice = 0;
    for (int64_t k = 0; k < l->negatives; k++) {
        int32_t other = noise(l, draw(base, at + k));
        if (other == word) continue;
        for (int t = 1; t < count; t++) aim->twice |= aim->target[t] == other;
        F(fetch)(l, other);
        aim->target[count] = other, aim->sign[count++] = -1;
    }
    aim->count = count;
}

INLINE void F(predict)(learning *l, const float *x, float *e, const F(aim) * aim, int32_t word, likelihood *p) {
    l->steps++;
    if (!l->first) {
        F(step)(l, x, e, aim->target, aim->sign, aim->count, aim->twice, p);
        return;
    }
    /* e may be x, so that a path longer than GROUP, whose nodes are all different, is gone with the old x */
    float *old = l->scratch + l->stride * (2 * l->window + 2 * BLOCK + 1);
    int64_t from = l->first[word], to = l->first[word + 1];
    if (to - from > GROUP) memcpy(old, x, sizeof(float) * l->stride), x = old;
    for (; from < to; from += GROUP) {
        float sign[GROUP + 16];
        int count = to - from > GROUP ? GROUP : (int)(to - from);
        memcpy(sign, l->signs + from, sizeof(float) * count);
        memset(sign + count, 0, sizeof(float) * 16);
        F(step)(l, x, e, l->nodes + from, sign, count, 0, p);
    }
}

/* One step of n inputs together; sign [n, count], 0 where a target is not theirs. Changes of the inputs are left in `change`. */
INLINE void F(together)(learning *l, float *const *x, float *const *change, int n, const int32_t *target, int count,
                        const float *sign, likelihood *p) {
    float dot[MOST_PAIRS + 16];
    memset(dot, 0, sizeof(float) * (n * count + 16));
    for (int j = 0; j < n; j++) TILED(F(dots), l->stride, l, x[j], target, count, dot + j * count);
    F(gains)(l, dot, sign, n * count, p);
    for (int j = 0; j < n; j++) {
        memset(change[j], 0, sizeof(float) * l->stride);
        TILED(F(pull), l->stride, l, change[j], target, count, dot + j * count);
    }
    for (int t = 0; t < count; t++) TILED(F(push), l->stride, l->output + l->stride * target[t], x, n, dot + t, count);
    l->steps += n;
}

/* Skip-gram, each word of the window by itself. */
INLINE void F(skip_gram)(learning *l, const sentence *s, int i, likelihood *p) {
    F(aim) aims[2];
    int low, high, seen = 0;
    window_of(l, s, i, &low, &high);
    int j = low == i ? low + 1 : low;
    if (j <= high && !l->first) F(take_aim)(l, s->word[i], s->base[i], 2, &aims[0]);
    while (j <= high) {
        int next = j + 1 == i ? j + 2 : j + 1;
        if (next <= high && !l->first) /* while this step computes, the rows of the next come */
            F(take_aim)(l, s->word[i], s->base[i], 2 + (uint64_t)(seen + 1) * l->negatives, &aims[(seen + 1) & 1]);
        float *x = l->input + l->stride * s->word[j];
        F(predict)(l, x, x, &aims[seen & 1], s->word[i], p);
        j = next, seen++;
    }
}

/* Skip-gram, the words of the window together, against the same noise. */
INLINE void F(skip_gram_shared)(learning *l, const sentence *s, int i, likelihood *p) {
    F(aim) aim;
    float sign[MOST_PAIRS + 16], *x[128], *change[128];
    int low, high, n = 0;
    window_of(l, s, i, &low, &high);
    if (low == high) return;
    F(take_aim)(l, s->word[i], s->base[i], 2, &aim);
    for (int j = low; j <= high; j++) {
        if (j == i) continue;
        memcpy(sign + n * aim.count, aim.sign, sizeof(float) * aim.count);
        x[n] = l->input + l->stride * s->word[j];
        change[n] = l->scratch + l->stride * n;
        n++;
    }
    memset(sign + n * aim.count, 0, sizeof(float) * 16);
    F(together)(l, x, change, n, aim.target, aim.count, sign, p);
    for (int j = 0; j < n; j++) TILED(F(add), l->stride, x[j], change[j], 1.0f);
}

/* The mean of a window into x; how many words it has. */
INLINE int F(mean_of)(const learning *l, const sentence *s, int i, int low, int high, float *x) {
    memset(x, 0, sizeof(float) * l->stride);
    for (int j = low; j <= high; j++)
        if (j != i) TILED(F(add), l->stride, x, l->input + l->stride * s->word[j], 1.0f / (high - low));
    return high - low;
}

INLINE void F(spread)(learning *l, const sentence *s, int i, int low, int high, const float *change) {
    float factor = l->corrected ? 1.0f / (high - low) : 1.0f;
    for (int j = low; j <= high; j++)
        if (j != i) TILED(F(add), l->stride, l->input + l->stride * s->word[j], change, factor);
}

INLINE void F(cbow)(learning *l, const sentence *s, int i, likelihood *p) {
    float *x = l->scratch, *change = l->scratch + l->stride;
    int low, high;
    F(aim) aim;
    window_of(l, s, i, &low, &high);
    if (low == high) return;
    if (!l->first) F(take_aim)(l, s->word[i], s->base[i], 2, &aim);
    F(mean_of)(l, s, i, low, high, x);
    memset(change, 0, sizeof(float) * l->stride);
    F(predict)(l, x, change, &aim, s->word[i], p);
    F(spread)(l, s, i, low, high, change);
}

/* CBOW, BLOCK windows from word i on together, against the same noise. */
INLINE void F(cbow_shared)(learning *l, const sentence *s, int i, likelihood *p) {
    int32_t target[GROUP + BLOCK];
    float sign[BLOCK * (GROUP + BLOCK) + 16], *x[BLOCK], *change[BLOCK];
    int low[BLOCK], high[BLOCK], n = s->n - i < BLOCK ? s->n - i : BLOCK, count = n;
    for (int b = 0; b < n; b++) target[b] = s->word[i + b];
    for (int64_t k = 0; k < l->negatives; k++) {
        target[count] = noise(l, draw(s->base[i], 2 + k));
        F(fetch)(l, target[count++]);
    }
    for (int b = 0; b < n; b++) {
        x[b] = l->scratch + l->stride * b, change[b] = l->scratch + l->stride * (BLOCK + b);
        window_of(l, s, i + b, &low[b], &high[b]);
        F(mean_of)(l, s, i + b, low[b], high[b], x[b]);
        for (int t = 0; t < count; t++)
            sign[b * count + t] = t < n ? t == b : target[t] == target[b] ? 0 : -1;
    }
    memset(sign + n * count, 0, sizeof(float) * 16);
    F(together)(l, x, change, n, target, count, sign, p);
    for (int b = 0; b < n; b++) F(spread)(l, s, i + b, low[b], high[b], change[b]);
}

static void F(learn)(learning *l) {
    sentence s;
    likelihood p = {1, 0};
    for (int64_t at = l->begin; at < l->end;) {
        at = read_sentence(l, at, &s);
        if (s.n < 2) continue;
        if (!l->shared)
            for (int i = 0; i < s.n; i++) l->cbow ? F(cbow)(l, &s, i, &p) : F(skip_gram)(l, &s, i, &p);
        else if (l->cbow)
            for (int i = 0; i < s.n; i += BLOCK) F(cbow_shared)(l, &s, i, &p);
        else
            for (int i = 0; i < s.n; i++) F(skip_gram_shared)(l, &s, i, &p);
    }
    l->loss -= p.sum + log(p.product);
}

#undef TILE
#undef MOST_PAIRS
#undef TILED
#undef VEC
#undef WIDTH
#undef LANES
