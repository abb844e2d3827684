// The noise of a run must be the same on every machine. Fused multiply-adds are therefore disabled, because they round
// differently.
#pragma STDC FP_CONTRACT OFF
#include "common.h"

enum { BLOCKS = 16 }; // counters at a time; four values each

typedef struct { uint32_t x[4][BLOCKS]; } blocks;

VD_INLINE void philox_rounds(blocks *b, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < BLOCKS; i++) {
      uint64_t p0 = (uint64_t)0xD2511F53u * b->x[0][i], p1 = (uint64_t)0xCD9E8D57u * b->x[2][i];
      uint32_t y0 = (uint32_t)(p1 >> 32) ^ b->x[1][i] ^ k0, y2 = (uint32_t)(p0 >> 32) ^ b->x[3][i] ^ k1;
      b->x[0][i] = y0;
      b->x[1][i] = (uint32_t)p1;
      b->x[2][i] = y2;
      b->x[3][i] = (uint32_t)p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

void vd_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

// A uniform number in (0, 1): 24 random bits, centred in their cell. The centre of the topmost cell would round to 1
// and is limited, so that neither 0 nor 1 occurs.
VD_INLINE float unit_of(uint32_t b) {
  float u = ((float)(int32_t)(b >> 8) + 0.5f) * 5.9604644775390625e-8f;
  return u < 0.999999940395355f ? u : 0.999999940395355f;
}

// cos and sin of 2 pi u for u in (0, 1). The angle is reduced to [-1/8, 1/8] of a turn, and then Cephes' polynomials
// are used.
VD_INLINE void turn(float u, float *cosine, float *sine) {
  float q = u * 4.0f;
  int32_t quadrant = (int32_t)(q + 0.5f);
  float t = (q - (float)quadrant) * 1.57079633f, z = t * t;
  float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * t + t;
  float c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
  float a = quadrant & 1 ? s : c, b = quadrant & 1 ? c : s;
  *cosine = (quadrant + 1) & 2 ? -a : a;
  *sine = quadrant & 2 ? -b : b;
}

VD_INLINE void box_muller(uint32_t a, uint32_t b, float *first, float *second) {
  float c, s, radius = __builtin_sqrtf(-2.0f * log_f(unit_of(a)));
  turn(unit_of(b), &c, &s);
  *first = radius * c;
  *second = radius * s;
}

// Draws numbers for all rows, sixteen counters at a time across row boundaries, so that a row with few columns does not
// waste counters.
#define DRAW(CONVERT)                                                                             \
  const size_t per_row = (columns + 3) / 4, total = rows * per_row;                               \
  for (size_t at = 0; at < total; at += BLOCKS) {                                                 \
    blocks b;                                                                                     \
    float values[4][BLOCKS];                                                                      \
    const size_t used = total - at < BLOCKS ? total - at : BLOCKS;                                \
    size_t row = at / per_row, block = at % per_row;                                              \
    for (size_t i = 0; i < BLOCKS; i++) {                                                         \
      uint64_t sample = row < rows ? index[row] : 0;                                              \
      b.x[0][i] = (uint32_t)block, b.x[1][i] = epoch;                                             \
      b.x[2][i] = (uint32_t)sample, b.x[3][i] = (uint32_t)(sample >> 32);                         \
      if (++block == per_row) block = 0, row++;                                                   \
    }                                                                                             \
    philox_rounds(&b, key[0], key[1]);                                                            \
    for (int i = 0; i < BLOCKS; i++) { CONVERT; }                                                 \
    row = at / per_row, block = at % per_row;                                                     \
    for (size_t i = 0; i < used; i++) {                                                           \
      float *out = y + row * columns + block * 4;                                                 \
      const size_t left = columns - block * 4, count = left < 4 ? left : 4;                       \
      for (size_t j = 0; j < count; j++) out[j] = values[j][i];                                   \
      if (++block == per_row) block = 0, row++;                                                   \
    }                                                                                             \
  }

VD_CLONES void vd_normal(float *restrict y, const uint64_t *restrict index, size_t rows, size_t columns, uint32_t epoch,
                         const uint32_t key[2]) {
  DRAW(box_muller(b.x[0][i], b.x[1][i], &values[0][i], &values[1][i]);
       box_muller(b.x[2][i], b.x[3][i], &values[2][i], &values[3][i]))
}

VD_CLONES void vd_uniform(float *restrict y, const uint64_t *restrict index, size_t rows, size_t columns,
                          uint32_t epoch, const uint32_t key[2]) {
  DRAW(values[0][i] = unit_of(b.x[0][i]); values[1][i] = unit_of(b.x[1][i]); values[2][i] = unit_of(b.x[2][i]);
       values[3][i] = unit_of(b.x[3][i]))
}
