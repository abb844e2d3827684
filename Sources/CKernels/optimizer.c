#include "common.h"

VD_CLONES void vd_adam(float *restrict p, float *restrict m, float *restrict v, const float *restrict g, size_t n,
                       const vd_adam_settings *settings) {
  const vd_adam_settings s = *settings;
  for (size_t i = 0; i < n; i++) {
    float gradient = g[i] * s.scale + s.l2 * p[i];
    float first = m[i] + s.rest1 * (gradient - m[i]);
    float second = s.beta2 * v[i] + s.rest2 * gradient * gradient;
    m[i] = first;
    v[i] = second;
    p[i] = s.keep * p[i] - s.step * first / (__builtin_sqrtf(second) * s.root + s.epsilon);
  }
}
