/* Products of whole numbers, int8 by int8 summed in int32, with the instructions of one set; W(name) is name_SET.
 *
 * A row x of float32 becomes q = rint(x 127 / max |x|), from -127 to 127, and the scale max |x| / 127; a matrix comes as int8 with
 * a scale for each output. Sums of whole numbers are exact, so that every set of instructions gives the same ones, whatever else
 * is in the batch.
 *
 * A packed matrix holds, for each BLOCK of 16 outputs, for each 4 numbers of the depth, 16 x 4 bytes: what one vector of 512 bits
 * takes. vpdpbusd multiplies unsigned by signed bytes, so that for VNNI the matrix is stored 128 too large, and 128 times the sum
 * of the row is taken off again.
 */
#define W(name) NAMED(name, SET)

#if SHORT
typedef int16_t W(entry);
#else
typedef int8_t W(entry);
#endif

/* One row of a rounded matrix: its scale, its sum, its numbers, filled up with zeros. */
static void W(round_row)(const float *x, int64_t depth, uint8_t *room) {
    W(entry) *q = (W(entry) *)(room + 8);
    int32_t top = 0, sum = 0;
    float largest, scale = 0.0f, factor = 0.0f;
    for (int64_t k = 0; k < depth; k++) { /* floats without their sign are ordered as whole numbers are, NaN above all */
        int32_t bits;
        memcpy(&bits, x + k, 4);
        bits &= 0x7fffffff;
        top = bits > top ? bits : top;
    }
    memcpy(&largest, &top, 4);
    if (!(largest < NOTHING)) {
        scale = largest / 127.0f;
        factor = 127.0f / largest;
    }
    for (int64_t k = 0; k < depth; k++) {
        int32_t v = (int32_t)__builtin_rintf(x[k] * factor);
        q[k] = (W(entry))v;
        sum += v;
    }
    for (int64_t k = depth; k < (depth + 3) / 4 * 4; k++) q[k] = 0;
    memcpy(room, &scale, 4);
    memcpy(room + 4, &sum, 4);
}

#if WIDTH == 16
#define MOST_ROWS 6
#define MOST_BLOCKS 8
INLINE void W(tile)(int rows, int blocks, const product *p, int64_t block, const uint8_t *in, float *out) {
    int64_t groups = (p->depth + 3) / 4, stride = ROOM(p->depth);
    const uint8_t *packed = p->packed + block * groups * 64;
    __m512i sums[MOST_ROWS][MOST_BLOCKS];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        int32_t sum;
        memcpy(&sum, in + i * stride + 4, 4);
#pragma GCC unroll 8
        for (int b = 0; b < blocks; b++) sums[i][b] = _mm512_set1_epi32(-128 * sum);
    }
    for (int64_t g = 0; g < groups; g++) {
        __m512i w[MOST_BLOCKS];
#pragma GCC unroll 8
        for (int b = 0; b < blocks; b++) w[b] = _mm512_loadu_si512(packed + (b * groups + g) * 64);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            int32_t four;
            memcpy(&four, in + i * stride + 8 + 4 * g, 4);
            __m512i x = _mm512_set1_epi32(four);
#pragma GCC unroll 8
            for (int b = 0; b < blocks; b++) sums[i][b] = _mm512_dpbusd_epi32(sums[i][b], w[b], x);
        }
    }
#pragma GCC unroll 8
    for (int b = 0; b < blocks; b++) {
        int64_t at = (block + b) * BLOCK, count = p->outputs - at;
        __mmask16 m = (__mmask16)(count >= BLOCK ? 0xffff : (1u << count) - 1);
        __m512 scales = _mm512_maskz_loadu_ps(m, p->scales + at), bias = _mm512_setzero_ps();
        if (p->bias) bias = _mm512_maskz_loadu_ps(m, p->bias + at);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            float scale, *to = out + i * p->out_stride + at;
            memcpy(&scale, in + i * stride, 4);
            __m512 found = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[i][b]), _mm512_mul_ps(_mm512_set1_ps(scale), scales));
            _mm512_mask_storeu_ps(to, m, _mm512_add_ps(found, p->add ? _mm512_maskz_loadu_ps(m, to) : bias));
        }
    }
}
#define TILE(rows, blocks) case (rows) * 16 + (blocks): W(tile)(rows, blocks, p, block, in, out); break;
#define TILES(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3) TILE(rows, 4)
#define WIDE_TILES(rows) TILES(rows) TILE(rows, 5) TILE(rows, 6) TILE(rows, 7) TILE(rows, 8)
#define ALL_TILES WIDE_TILES(1) WIDE_TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)
#define BLOCKS_FOR(rows) ((rows) < 3 ? 8 : 4)
#else
#if WIDTH == 8
#define MOST_ROWS 3
INLINE void W(sums)(int rows, int64_t groups, const uint8_t *packed, const uint8_t *in, int64_t stride, int32_t found[][BLOCK]) {
    __m256i sums[MOST_ROWS][4]; /* of four outputs each, an output in two places */
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) sums[i][c] = _mm256_setzero_si256();
    for (int64_t g = 0; g < groups; g++, packed += 64) {
        __m256i x[MOST_ROWS];
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) {
            int64_t four;
            memcpy(&four, in + i * stride + 8 + 8 * g, 8);
            x[i] = _mm256_set1_epi64x(four);
        }
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) {
            __m256i w = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(packed + 16 * c)));
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) sums[i][c] = _mm256_add_epi32(sums[i][c], _mm256_madd_epi16(w, x[i]));
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int c = 0; c < 4; c += 2) {
            __m256i pairs = _mm256_hadd_epi32(sums[i][c], sums[i][c + 1]);
            _mm256_storeu_si256((__m256i *)(found[i] + 4 * c), _mm256_permute4x64_epi64(pairs, 0xD8));
        }
}
#else
#define MOST_ROWS 2
INLINE void W(sums)(int rows, int64_t groups, const uint8_t *packed, const uint8_t *in, int64_t stride, int32_t found[][BLOCK]) {
    for (int i = 0; i < rows; i++) {
        const int8_t *x = (const int8_t *)(in + i * stride + 8), *w = (const int8_t *)packed;
        for (int o = 0; o < BLOCK; o++) found[i][o] = 0;
        for (int64_t g = 0; g < groups; g++, w += 64, x += 4)
            for (int o = 0; o < BLOCK; o++)
                found[i][o] += w[4 * o] * x[0] + w[4 * o + 1] * x[1] + w[4 * o + 2] * x[2] + w[4 * o + 3] * x[3];
    }
}
#endif
INLINE void W(tile)(int rows, const product *p, int64_t block, const uint8_t *in, float *out) {
    int64_t groups = (p->depth + 3) / 4, stride = ROOM(p->depth), at = block * BLOCK, count = p->outputs - at;
    int32_t sums[MOST_ROWS][BLOCK];
    W(sums)(rows, groups, p->packed + block * groups * 64, in, stride, sums);
    for (int i = 0; i < rows; i++) {
        float scale, *to = out + i * p->out_stride + at;
        memcpy(&scale, in + i * stride, 4);
        for (int64_t o = 0; o < count && o < BLOCK; o++) {
            float before = p->add ? to[o] : p->bias ? p->bias[at + o] : 0.0f;
            to[o] = (float)sums[i][o] * (scale * p->scales[at + o]) + before;
        }
    }
}
#define TILE(rows) case (rows) * 16 + 1: W(tile)(rows, p, block, in, out); break;
#define ALL_TILES TILE(1) TILE(2) TILE(3)
#define BLOCKS_FOR(rows) (1 + 0 * (rows))
#endif

/* out (+)= the rounded rows, row to row + rows - 1, times the outputs of some blocks. */
static void W(multiply)(const product *p, int64_t row, int64_t rows, int64_t from, int64_t to) {
    int64_t tiles = (rows + MOST_ROWS - 1) / MOST_ROWS, tallest = tiles ? (rows + tiles - 1) / tiles : 0, most = BLOCKS_FOR(tallest);
    for (int64_t block = from; block < to;) {
        int64_t blocks = to - block < most ? to - block : most;
        for (int64_t i = 0; i < tiles; i++) {
            int64_t first = rows * i / tiles, count = rows * (i + 1) / tiles - first;
            const uint8_t *in = p->scratch + (row + first) * ROOM(p->depth);
            float *out = p->out + (row + first) * p->out_stride;
            switch (count * 16 + blocks) { ALL_TILES }
        }
        block += blocks;
    }
}

#undef W
#undef SET
#undef SHORT
#undef WIDTH
#undef MOST_ROWS
#undef MOST_BLOCKS
#undef TILE
#undef TILES
#undef WIDE_TILES
#undef ALL_TILES
#undef BLOCKS_FOR
