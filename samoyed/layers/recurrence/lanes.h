/* WIDTH floats side by side, and what the arithmetic of one instruction set needs of them; F(name) is name_LANES.
 *
 * Loads and stores take the number of lanes that exist, so that a row may end anywhere. exp is Cephes' expf: 1 to 2 units in
 * the last place, and NaN stays NaN. tanh goes through exp(2x) - 1 without cancellation, so that small values keep their
 * relative precision.
 */
typedef float F(vec) __attribute__((vector_size(4 * WIDTH)));
typedef int32_t F(ivec) __attribute__((vector_size(4 * WIDTH)));
#define VEC F(vec)

#if WIDTH == 16
typedef __mmask16 F(mask);
INLINE F(mask) F(lanes)(int64_t n) { return (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1); }
INLINE VEC F(load)(const float *p, F(mask) m) { return (VEC)_mm512_maskz_loadu_ps(m, p); }
INLINE void F(store)(float *p, VEC v, F(mask) m) { _mm512_mask_storeu_ps(p, m, (__m512)v); }
INLINE VEC F(all)(float x) { return (VEC)_mm512_set1_ps(x); }
INLINE VEC F(within)(VEC x, float low, float high) {
    return (VEC)_mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), (__m512)x));
}
INLINE VEC F(where_positive)(VEC x, VEC v) {
    return (VEC)_mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_GT_OQ), (__m512)v);
}
INLINE VEC F(inverse)(VEC x) { /* 14 bits, and a Newton step that doubles them */
    VEC y = (VEC)_mm512_rcp14_ps((__m512)x);
    return y + y * (1.0f - x * y);
}
#elif WIDTH == 8
typedef int F(mask);
INLINE F(mask) F(lanes)(int64_t n) { return n > WIDTH ? WIDTH : (int)n; }
INLINE __m256i F(bits)(F(mask) m) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(m), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE VEC F(load)(const float *p, F(mask) m) {
    return (VEC)(m == WIDTH ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, F(bits)(m)));
}
INLINE void F(store)(float *p, VEC v, F(mask) m) { /* masked stores are slow on some processors */
    if (m == WIDTH)
        _mm256_storeu_ps(p, (__m256)v);
    else
        _mm256_maskstore_ps(p, F(bits)(m), (__m256)v);
}
INLINE VEC F(all)(float x) { return (VEC)_mm256_set1_ps(x); }
INLINE VEC F(within)(VEC x, float low, float high) {
    return (VEC)_mm256_min_ps(_mm256_set1_ps(high), _mm256_max_ps(_mm256_set1_ps(low), (__m256)x));
}
INLINE VEC F(where_positive)(VEC x, VEC v) {
    return (VEC)_mm256_and_ps(_mm256_cmp_ps((__m256)x, _mm256_setzero_ps(), _CMP_GT_OQ), (__m256)v);
}
INLINE VEC F(inverse)(VEC x) { return 1.0f / x; }
#else
typedef int F(mask);
INLINE F(mask) F(lanes)(int64_t n) { return n > WIDTH ? WIDTH : (int)n; }
INLINE VEC F(load)(const float *p, F(mask) m) {
    VEC v = {0};
    if (m == WIDTH)
        memcpy(&v, p, sizeof v);
    else
        for (int i = 0; i < m; i++) v[i] = p[i];
    return v;
}
INLINE void F(store)(float *p, VEC v, F(mask) m) {
    if (m == WIDTH)
        memcpy(p, &v, sizeof v);
    else
        for (int i = 0; i < m; i++) p[i] = v[i];
}
INLINE VEC F(all)(float x) { return x - (VEC){0}; }
INLINE VEC F(pick)(F(ivec) which, VEC a, VEC b) { return (VEC)((which & (F(ivec))a) | (~which & (F(ivec))b)); }
INLINE VEC F(within)(VEC x, float low, float high) {
    x = F(pick)(x < low, F(all)(low), x);
    return F(pick)(x > high, F(all)(high), x);
}
INLINE VEC F(where_positive)(VEC x, VEC v) { return (VEC)((x > 0.0f) & (F(ivec))v); }
INLINE VEC F(inverse)(VEC x) { return 1.0f / x; }
#endif

/* exp(x) = 2^n (1 + tail), for x of at most 2^21; returns n + 0x4b400000. */
INLINE F(ivec) F(exp_split)(VEC x, VEC *tail) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest whole number in the low bits */
    VEC moved = x * 1.44269504f + shift, n = moved - shift;
    VEC r = x - n * 0.693359375f + n * 2.12194440e-4f;
    VEC p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    *tail = p * (r * r) + r;
    return (F(ivec))moved;
}

/* 2^n of the same, for x from -87 to 88. */
INLINE VEC F(exp_parts)(VEC x, VEC *tail) { return (VEC)((F(exp_split)(x, tail) << 23) + 0x3f800000); }

INLINE VEC F(logistic)(VEC x) {
    VEC tail, power = F(exp_parts)(F(within)(-x, -87.0f, 85.0f), &tail);
    return F(inverse)(1.0f + power + power * tail);
}

INLINE VEC F(tanh)(VEC x) {
    VEC tail, power = F(exp_parts)(F(within)(x + x, -20.0f, 20.0f), &tail);
    VEC less_one = power * tail + (power - 1.0f);
    return less_one * F(inverse)(less_one + 2.0f);
}
