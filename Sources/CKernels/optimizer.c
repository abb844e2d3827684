#include "common.h"

// Returns the new value of a parameter, and replaces m and v by their new values.
VD_INLINE float adam_element(float p, float *m, float *v, float g, const vd_adam_settings *s) {
  float gradient = g * s->scale + s->l2 * p;
  *m += s->rest1 * (gradient - *m);
  *v = s->beta2 * *v + s->rest2 * gradient * gradient;
  return s->keep * p - s->step * *m / (__builtin_sqrtf(*v) * s->root + s->epsilon);
}

VD_CLONES void vd_adam(float *restrict p, float *restrict m, float *restrict v, const float *restrict g, size_t n,
                       const vd_adam_settings *settings) {
  const vd_adam_settings s = *settings;
  for (size_t i = 0; i < n; i++) p[i] = adam_element(p[i], &m[i], &v[i], g[i], &s);
}

VD_CLONES void vd_adam_averaged(float *restrict p, float *restrict m, float *restrict v, float *restrict a,
                                const float *restrict g, size_t n, const vd_adam_settings *settings) {
  const vd_adam_settings s = *settings;
  for (size_t i = 0; i < n; i++) {
    p[i] = adam_element(p[i], &m[i], &v[i], g[i], &s);
    a[i] += s.average * (p[i] - a[i]);
  }
}
