// Definitions that all kernels share: function clones, and mathematical functions that the compiler can vectorise.
#pragma once
#include <stdint.h>
#include <string.h>
#include "CKernels.h"

// Compiles a function for each CPU level; the loader selects one. "default" is the compiler's baseline.
#if defined(__x86_64__) && defined(__ELF__)
#define VD_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VD_CLONES
#endif
#define VD_INLINE static inline __attribute__((always_inline))

// Reductions keep sixteen partial sums, so that the order of summation does not depend on the CPU level.
enum { LANES = 16 };
typedef float lanes __attribute__((vector_size(64), aligned(4)));

// The argument is a pointer, because a vector wider than the clone's registers would change the calling convention.
VD_INLINE float sum_lanes(const lanes *v) {
  float x[LANES];
  memcpy(x, v, sizeof x);
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) x[i] += x[i + width];
  return x[0];
}

VD_INLINE float sum_floats(const float *x, size_t n) {
  lanes s = {0};
  size_t j = 0;
  for (; j + LANES <= n; j += LANES) s += *(const lanes *)(x + j);
  float tail = 0;
  for (; j < n; j++) tail += x[j];
  return sum_lanes(&s) + tail;
}

VD_INLINE float squared_distance(const float *a, const float *b, size_t n) {
  lanes squares = {0};
  size_t j = 0;
  for (; j + LANES <= n; j += LANES) {
    lanes d = *(const lanes *)(a + j) - *(const lanes *)(b + j);
    squares += d * d;
  }
  float tail = 0;
  for (; j < n; j++) tail += (a[j] - b[j]) * (a[j] - b[j]);
  return sum_lanes(&squares) + tail;
}

VD_INLINE uint32_t bits_of(float x) { uint32_t b; memcpy(&b, &x, 4); return b; }
VD_INLINE float float_of(uint32_t b) { float x; memcpy(&x, &b, 4); return x; }

// Reduces exp(x) = 2^n p with x = n ln 2 + r. Returns p, computed from r with the polynomial of Cephes' expf (1 ulp).
// The low bits of *shifted contain n, because *shifted is n + 1.5 * 2^23.
VD_INLINE float exp_reduced(float x, float *shifted) {
  *shifted = x * 1.44269504f + 12582912.0f; // rounds to nearest
  float n = *shifted - 12582912.0f;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + r + 1.0f;
}

// exp(x). It is 0 below -87.34 and infinity above 88.72. A NaN is preserved.
VD_INLINE float exp_f(float x) {
  float clamped = x > 88.72283f ? 88.72283f : x;
  clamped = clamped < -87.33654f ? -87.33654f : clamped;
  float shifted, p = exp_reduced(clamped, &shifted);
  int32_t e = (int32_t)bits_of(shifted) - 0x4B400000;
  // The factor 2^n is applied as two factors, because 2^128 is not a float although p * 2^128 / 2 may be one.
  int32_t half = e >> 1;
  p = p * float_of((uint32_t)(half + 127) << 23) * float_of((uint32_t)(e - half + 127) << 23);
  p = x > 88.72283f ? __builtin_inff() : p;
  p = x < -87.33654f ? 0.0f : p;
  return x != x ? x : p;
}

// log(x) for positive finite x, as in Cephes' logf.
VD_INLINE float log_f(float x) {
  uint32_t b = bits_of(x);
  int32_t e = (int32_t)(b >> 23) - 126;
  float m = float_of((b & 0x007FFFFFu) | 0x3F000000u); // [0.5, 1)
  int small = m < 0.707106781f;
  e = small ? e - 1 : e;
  float f = small ? m + m - 1.0f : m - 1.0f;
  float z = f * f;
  float y = 7.0376836292e-2f;
  y = y * f - 1.1514610310e-1f;
  y = y * f + 1.1676998740e-1f;
  y = y * f - 1.2420140846e-1f;
  y = y * f + 1.4249322787e-1f;
  y = y * f - 1.6668057665e-1f;
  y = y * f + 2.0000714765e-1f;
  y = y * f - 2.4999993993e-1f;
  y = y * f + 3.3333331174e-1f;
  y = y * f * z;
  float n = (float)e;
  y = y + n * -2.12194440e-4f;
  y = y - 0.5f * z;
  return f + y + n * 0.693359375f;
}

// exp(x) for x <= 0. It is faster than exp_f: nothing overflows, and 2^n is added to the exponent. The result is at
// least 1.6e-38. A NaN is not preserved, so callers must handle it.
VD_INLINE float exp_nonpositive(float x) {
  float shifted, p = exp_reduced(x < -87.0f ? -87.0f : x, &shifted);
  return float_of(bits_of(p) + (bits_of(shifted) << 23));
}

// Computes sigmoid(x) and softplus(x) = max(x, 0) + log(1 + e) with e = exp(-|x|), from one exponential and one
// division. log(1 + e) = 2 atanh(t) with t = e / (2 + e) <= 1/3.
VD_INLINE float sigmoid_softplus(float x, float *softplus) {
  float e = exp_nonpositive(-__builtin_fabsf(x));
  float a = 1.0f + e, b = 2.0f + e;
  float q = 1.0f / (a * b);
  float s = q * b, t = e * (q * a), z = t * t;
  float p = 2.686755330e-01f;
  p = p * z + 2.823395515e-01f;
  p = p * z + 4.000767090e-01f;
  p = p * z + 6.666663967e-01f;
  *softplus = (x > 0.0f ? x : 0.0f) + (t + t + t * z * p);
  return x >= 0.0f ? s : e * s;
}

VD_INLINE float sigmoid_f(float x) {
  float e = exp_nonpositive(-__builtin_fabsf(x));
  float s = 1.0f / (1.0f + e);
  s = x >= 0.0f ? s : e * s;
  return x != x ? x : s;
}

// tanh(x): an odd polynomial (Cephes) below 0.625, and (1 - e) / (1 + e) with e = exp(-2|x|) above.
VD_INLINE float tanh_f(float x) {
  float a = __builtin_fabsf(x);
  float e = exp_nonpositive(-2.0f * a);
  float large = (1.0f - e) / (1.0f + e);
  large = x < 0.0f ? -large : large;
  float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  float small = x + x * z * p;
  return a >= 0.625f ? large : small; // NaN takes the polynomial, and stays NaN
}
