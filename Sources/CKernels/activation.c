#include "common.h"

// There is one loop for each function, so that the function is selected once and not for each element.
#define FORWARD(EXPRESSION)                                                      \
  for (size_t i = 0; i < rows; i++) {                                            \
    float *restrict row = y + i * columns;                                       \
    for (size_t j = 0; j < columns; j++) {                                       \
      float x = bias ? row[j] + bias[j] : row[j];                                \
      row[j] = (EXPRESSION);                                                     \
    }                                                                            \
  }                                                                              \
  break
#define FORWARD_KEEPING(EXPRESSION)                                              \
  for (size_t i = 0; i < rows; i++) {                                            \
    float *restrict row = y + i * columns, *restrict kept = before + i * columns; \
    for (size_t j = 0; j < columns; j++) {                                       \
      float x = bias ? row[j] + bias[j] : row[j];                                \
      kept[j] = x;                                                               \
      row[j] = (EXPRESSION);                                                     \
    }                                                                            \
  }                                                                              \
  break

VD_INLINE float softplus_f(float x) {
  float y;
  sigmoid_softplus(x, &y);
  return x != x ? x : y;
}
VD_INLINE float gelu_inner(float x) { return 0.7978845608f * (x + 0.044715f * x * x * x); }

VD_CLONES void vd_bias_activation(float *restrict y, float *restrict before, const float *restrict bias, size_t rows,
                                  size_t columns, int f) {
  switch (f) {
    case VD_IDENTITY: FORWARD(x);
    case VD_RELU: FORWARD(x < 0 ? 0 : x); // in this order a NaN stays a NaN
    case VD_LEAKY_RELU: FORWARD(x > 0 ? x : 0.01f * x);
    case VD_ELU: FORWARD(x > 0 ? x : exp_f(x) - 1.0f);
    case VD_TANH: FORWARD(tanh_f(x));
    case VD_SIGMOID: FORWARD(sigmoid_f(x));
    case VD_SOFTPLUS: FORWARD(softplus_f(x));
    case VD_SILU: FORWARD_KEEPING(x * sigmoid_f(x));
    case VD_GELU: FORWARD_KEEPING(0.5f * x * (1.0f + tanh_f(gelu_inner(x))));
  }
}

#define BACKWARD(EXPRESSION)                      \
  for (size_t i = 0; i < n; i++) {                \
    float v = y[i];                               \
    g[i] *= (EXPRESSION);                         \
  }                                               \
  break
#define BACKWARD_FROM_KEPT(EXPRESSION)            \
  for (size_t i = 0; i < n; i++) {                \
    float x = before[i];                          \
    g[i] *= (EXPRESSION);                         \
  }                                               \
  break

VD_INLINE float silu_slope(float x) {
  float s = sigmoid_f(x);
  return s * (1.0f + x * (1.0f - s));
}
VD_INLINE float gelu_slope(float x) {
  // Beyond 10 the slope is exactly 0 or 1 in float32. The limit prevents inf * 0 from x * x and 1 - t * t.
  x = x > 10.0f ? 10.0f : x;
  x = x < -10.0f ? -10.0f : x;
  float t = tanh_f(gelu_inner(x));
  return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.7978845608f * (1.0f + 0.134145f * x * x);
}

VD_CLONES void vd_activation_backward(float *restrict g, const float *restrict y, const float *restrict before,
                                      size_t n, int f) {
  switch (f) {
    case VD_IDENTITY: break;
    // The gradient is multiplied by 0 or 1 instead of selected, so that a NaN in the gradient stays a NaN.
    case VD_RELU: BACKWARD(v > 0 ? 1.0f : 0.0f);
    case VD_LEAKY_RELU: BACKWARD(v > 0 ? 1.0f : 0.01f);
    case VD_ELU: BACKWARD(v > 0 ? 1.0f : v + 1.0f);
    case VD_TANH: BACKWARD(1.0f - v * v);
    case VD_SIGMOID: BACKWARD(v * (1.0f - v));
    case VD_SOFTPLUS: BACKWARD(1.0f - exp_nonpositive(-v));
    case VD_SILU: BACKWARD_FROM_KEPT(silu_slope(x));
    case VD_GELU: BACKWARD_FROM_KEPT(gelu_slope(x));
  }
}

VD_CLONES void vd_relu_backward_sums(float *restrict g, const float *restrict y, float *restrict total, size_t rows,
                                     size_t columns) {
  if (!total) {
    for (size_t i = 0; i < rows * columns; i++) g[i] *= y[i] > 0 ? 1.0f : 0.0f;
    return;
  }
  // Four rows at a time, so that the sums are read and written only once for four rows of g.
  size_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    float *restrict a = g + i * columns, *restrict b = a + columns, *restrict c = b + columns, *restrict d = c + columns;
    const float *restrict p = y + i * columns, *restrict q = p + columns, *restrict r = q + columns,
                *restrict s = r + columns;
    for (size_t j = 0; j < columns; j++) {
      float e = a[j] * (p[j] > 0 ? 1.0f : 0.0f), f = b[j] * (q[j] > 0 ? 1.0f : 0.0f);
      float h = c[j] * (r[j] > 0 ? 1.0f : 0.0f), k = d[j] * (s[j] > 0 ? 1.0f : 0.0f);
      a[j] = e, b[j] = f, c[j] = h, d[j] = k;
      total[j] += (e + f) + (h + k);
    }
  }
  for (; i < rows; i++)
    for (size_t j = 0; j < columns; j++) {
      float e = g[i * columns + j] * (y[i * columns + j] > 0 ? 1.0f : 0.0f);
      g[i * columns + j] = e;
      total[j] += e;
    }
}

VD_CLONES void vd_clamp(float *restrict y, const float *restrict x, size_t n, float low, float high) {
  for (size_t i = 0; i < n; i++) {
    float v = x[i] < low ? low : x[i];
    y[i] = v > high ? high : v;
  }
}

VD_CLONES void vd_clamp_backward(float *restrict gx, const float *restrict gy, const float *restrict x, size_t n,
                                 float low, float high) {
  for (size_t i = 0; i < n; i++) gx[i] += x[i] >= low && x[i] <= high ? gy[i] : 0.0f;
}

VD_CLONES void vd_floor(float *restrict y, const float *restrict x, size_t n, float floor) {
  for (size_t i = 0; i < n; i++) y[i] = x[i] < floor ? floor : x[i];
}

VD_CLONES void vd_floor_backward(float *restrict gx, const float *restrict gy, const float *restrict x, size_t n,
                                 float floor) {
  for (size_t i = 0; i < n; i++) gx[i] += x[i] > floor ? gy[i] : 0.0f;
}

VD_CLONES void vd_exp(float *restrict y, const float *restrict x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = exp_f(x[i]);
}

VD_CLONES void vd_sigmoid(float *restrict y, const float *restrict x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = sigmoid_f(x[i]);
}
