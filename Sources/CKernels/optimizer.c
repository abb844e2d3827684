#include "common.h"

VD_CLONES void vd_adam(float *restrict p, float *restrict m, float *restrict v, const float *restrict g, size_t n,
                       const vd_adam_settings *settings) {
  const vd_adam_settings s = *settings;
  const float one_minus_beta1 = 1.0f - s.beta1, one_minus_beta2 = 1.0f - s.beta2;
  for (size_t i = 0; i < n; i++) {
    float gradient = g[i] * s.scale + s.l2 * p[i];
    float first = m[i] + one_minus_beta1 * (gradient - m[i]);
    float second = s.beta2 * v[i] + one_minus_beta2 * gradient * gradient;
    m[i] = first;
    v[i] = second;
    p[i] = s.keep * p[i] - s.step * first / (__builtin_sqrtf(second) * s.root + s.epsilon);
  }
}
