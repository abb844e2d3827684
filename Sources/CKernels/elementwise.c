#include "common.h"

VD_CLONES void vd_u8_to_f32(float *restrict y, const uint8_t *restrict x, size_t n, float scale, float offset) {
  for (size_t i = 0; i < n; i++) y[i] = (float)x[i] * scale + offset;
}

VD_CLONES void vd_standardize(float *restrict x, const float *restrict offset, const float *restrict scale, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = (x[i] - offset[i]) * scale[i];
}

VD_CLONES void vd_add(float *restrict y, const float *restrict x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] += x[i];
}

VD_CLONES void vd_axpy(float *restrict y, float a, const float *restrict x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

VD_CLONES void vd_multiply_add(float *restrict y, const float *restrict a, const float *restrict b, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] += a[i] * b[i];
}

VD_CLONES void vd_dropout(float *restrict y, float *restrict uniforms, const float *restrict x, size_t n, float p) {
  const float keep = 1.0f / (1.0f - p);
  for (size_t i = 0; i < n; i++) {
    uniforms[i] = uniforms[i] < p ? 0.0f : keep;
    y[i] = x[i] * uniforms[i];
  }
}

VD_CLONES void vd_binarize(float *restrict x, const float *restrict uniforms, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = uniforms[i] < x[i] ? 1.0f : 0.0f;
}

VD_CLONES void vd_f32_to_bf16(uint16_t *restrict y, const float *restrict x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t u;
    __builtin_memcpy(&u, &x[i], 4);
    uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    // Rounding could turn a NaN into an infinity.
    y[i] = (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? (u >> 16) | 0x40u : rounded);
  }
}

VD_CLONES void vd_bf16_to_f32(float *restrict y, const uint16_t *restrict x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t u = (uint32_t)x[i] << 16;
    __builtin_memcpy(&y[i], &u, 4);
  }
}

VD_CLONES double vd_sum_of_squares(const float *x, size_t n) {
  lanes a = {0}, b = {0};
  size_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    lanes u = *(const lanes *)(x + i), v = *(const lanes *)(x + i + LANES);
    a += u * u;
    b += v * v;
  }
  double tail = 0;
  for (; i < n; i++) tail += (double)x[i] * x[i];
  a += b;
  return (double)sum_lanes(&a) + tail;
}

VD_CLONES int vd_all_finite(const float *x, size_t n) {
  uint32_t bad = 0;
  for (size_t i = 0; i < n; i++) bad |= (uint32_t)((bits_of(x[i]) & 0x7F800000u) == 0x7F800000u);
  return !bad;
}

VD_CLONES void vd_range(const float *x, size_t n, float *low, float *high) {
  float least = __builtin_inff(), most = -__builtin_inff();
  uint32_t nan = 0;
  for (size_t i = 0; i < n; i++) {
    least = x[i] < least ? x[i] : least;
    most = x[i] > most ? x[i] : most;
    nan |= (uint32_t)(x[i] != x[i]);
  }
  *low = nan ? __builtin_nanf("") : least;
  *high = nan ? __builtin_nanf("") : most;
}

VD_CLONES void vd_column_sums(float *restrict sums, const float *restrict g, size_t rows, size_t columns) {
  // Four rows at a time, so that the sums are read and written only once for four rows of g.
  size_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const float *a = g + i * columns, *b = a + columns, *c = b + columns, *d = c + columns;
    for (size_t j = 0; j < columns; j++) sums[j] += (a[j] + b[j]) + (c[j] + d[j]);
  }
  for (; i < rows; i++)
    for (size_t j = 0; j < columns; j++) sums[j] += g[i * columns + j];
}

VD_CLONES void vd_row_sums(float *restrict y, const float *restrict x, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; i++) y[i] = sum_floats(x + i * columns, columns);
}

VD_CLONES void vd_row_sums_backward(float *restrict gx, const float *restrict gy, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) gx[i * columns + j] += gy[i];
}

VD_CLONES void vd_copy_columns(float *restrict y, const float *restrict x, size_t rows, size_t columns, size_t total,
                               size_t at) {
  for (size_t i = 0; i < rows; i++) memcpy(y + i * total + at, x + i * columns, columns * sizeof(float));
}

VD_CLONES void vd_copy_columns_backward(float *restrict gx, const float *restrict gy, size_t rows, size_t columns,
                                        size_t total, size_t at) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) gx[i * columns + j] += gy[i * total + at + j];
}

double vd_weighted_sum(const float *x, const float *w, size_t n) {
  double sum = 0;
  // An element with weight 0 is padding. It is skipped, because it may contain any value.
  for (size_t i = 0; i < n; i++) sum += w[i] != 0 ? (double)w[i] * x[i] : 0;
  return sum;
}

VD_CLONES void vd_weighted_column_sums(double *restrict total, double *restrict squares, const float *restrict x,
                                       const float *restrict w, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; i++) {
    if (w[i] == 0) continue;
    const double weight = w[i];
    const float *row = x + i * columns;
    for (size_t j = 0; j < columns; j++) total[j] += weight * row[j];
    if (squares)
      for (size_t j = 0; j < columns; j++) squares[j] += weight * row[j] * row[j];
  }
}

int vd_cpu_level(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("x86-64-v4")) return 4;
  if (__builtin_cpu_supports("x86-64-v3")) return 3;
  return 2;
#else
  return 0;
#endif
}

VD_CLONES uint8_t vd_u8_max(const uint8_t *x, size_t n) {
  uint8_t most = 0;
  for (size_t i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
  return most;
}
