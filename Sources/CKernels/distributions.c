#include "likelihood_math.h"

VD_INLINE float bernoulli_element(float l, float x, float *residual) {
  float softplus, s = sigmoid_softplus(l, &softplus);
  *residual = s - x;
  return softplus - l * x;
}

VD_CLONES void vd_bernoulli(float *restrict loss, float *restrict residual, const float *restrict logits,
                            const float *restrict x, size_t rows, size_t columns) {
  // The losses of a chunk of elements are stored first and then summed, because the compiler fully vectorises a loop
  // that only stores.
  enum { CHUNK = 512 };
  for (size_t i = 0; i < rows; i++) {
    float element[CHUNK], sum = 0;
    for (size_t at = 0; at < columns; at += CHUNK) {
      const size_t n = columns - at < CHUNK ? columns - at : CHUNK;
      const float *l = logits + i * columns + at, *t = x + i * columns + at;
      float *r = residual + i * columns + at;
      for (size_t j = 0; j < n; j++) element[j] = bernoulli_element(l[j], t[j], &r[j]);
      sum += sum_floats(element, n);
    }
    loss[i] = sum;
  }
}

VD_CLONES void vd_scale_rows_add(float *restrict gx, const float *restrict g, const float *restrict residual,
                                 size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) gx[i * columns + j] += g[i] * residual[i * columns + j];
}

VD_CLONES void vd_gaussian(float *restrict loss, const float *restrict mean, const float *restrict x, float log_sigma,
                           size_t rows, size_t columns) {
  const float precision = exp_f(-2.0f * log_sigma);
  for (size_t i = 0; i < rows; i++) {
    const float *m = mean + i * columns, *t = x + i * columns;
    loss[i] = 0.5f * precision * squared_distance(m, t, columns) + (float)columns * (log_sigma + HALF_LOG_2PI);
  }
}

VD_CLONES void vd_squared_distances(float *restrict y, const float *restrict x, const float *restrict mean, size_t rows,
                                    size_t columns) {
  enum { CHUNK = 512 };
  for (size_t i = 0; i < rows; i++) {
    float element[CHUNK], sum = 0;
    for (size_t at = 0; at < columns; at += CHUNK) {
      const size_t n = columns - at < CHUNK ? columns - at : CHUNK;
      const float *t = x + i * columns + at, *m = mean + i * columns + at;
      for (size_t j = 0; j < n; j++) {
        const float d = t[j] - m[j];
        element[j] = t[j] == t[j] ? d * d : 0;
      }
      sum += sum_floats(element, n);
    }
    y[i] = sum;
  }
}

VD_CLONES double vd_gaussian_backward(float *restrict gmean, const float *restrict g, const float *restrict mean,
                                      const float *restrict x, float log_sigma, size_t rows, size_t columns) {
  const float precision = exp_f(-2.0f * log_sigma);
  double total = 0;
  for (size_t i = 0; i < rows; i++) {
    const float *m = mean + i * columns, *t = x + i * columns;
    const float factor = g[i] * precision;
    if (gmean)
      for (size_t j = 0; j < columns; j++) gmean[i * columns + j] += factor * (m[j] - t[j]);
    // d/ds of [square / (2 exp(2 s)) + s] = 1 - square * precision
    total += (double)g[i] * ((double)columns - (double)precision * squared_distance(m, t, columns));
  }
  return total;
}

// exp(x) - 1 - x. Below 1/2 it is computed by its series, because the difference would lose precision and could be
// negative.
VD_INLINE float exp_minus_tangent(float x) {
  float p = 2.4801587e-5f;
  p = p * x + 1.9841270e-4f;
  p = p * x + 1.3888889e-3f;
  p = p * x + 8.3333333e-3f;
  p = p * x + 4.1666667e-2f;
  p = p * x + 1.6666667e-1f;
  p = p * x + 0.5f;
  return __builtin_fabsf(x) < 0.5f ? p * x * x : exp_f(x) - 1.0f - x;
}

VD_CLONES void vd_gaussian_kl(float *restrict kl, const float *restrict mu, const float *restrict logvar, size_t n) {
  for (size_t i = 0; i < n; i++) kl[i] = 0.5f * (exp_minus_tangent(logvar[i]) + mu[i] * mu[i]);
}

VD_CLONES void vd_gaussian_kl_backward(float *restrict glogvar, const float *restrict g, const float *restrict logvar,
                                       size_t n) {
  for (size_t i = 0; i < n; i++) glogvar[i] += g[i] * 0.5f * (exp_f(logvar[i]) - 1.0f);
}

VD_CLONES void vd_gaussian_divergence(float *restrict kl, const float *restrict mu, const float *restrict logvar,
                                      const float *restrict m, const float *restrict lv, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const float d = mu[i] - m[i];
    kl[i] = 0.5f * (exp_minus_tangent(logvar[i] - lv[i]) + d * d * exp_f(-lv[i]));
  }
}

VD_CLONES void vd_gaussian_divergence_backward(float *gmu, float *glogvar, float *gm, float *glv, const float *g,
                                               const float *mu, const float *logvar, const float *m, const float *lv,
                                               size_t n) {
  for (size_t i = 0; i < n; i++) {
    const float d = mu[i] - m[i], p = exp_f(-lv[i]), ratio = exp_f(logvar[i] - lv[i]);
    if (gmu) gmu[i] += g[i] * d * p;
    if (gm) gm[i] -= g[i] * d * p;
    if (glogvar) glogvar[i] += 0.5f * g[i] * (ratio - 1.0f);
    if (glv) glv[i] += 0.5f * g[i] * (1.0f - ratio - d * d * p);
  }
}

VD_CLONES void vd_reparameterize(float *restrict z, float *restrict deviation, const float *restrict mu,
                                 const float *restrict logvar, const float *restrict eps, float scale, size_t n) {
  for (size_t i = 0; i < n; i++) {
    deviation[i] = scale * exp_f(0.5f * logvar[i]) * eps[i];
    z[i] = mu[i] + deviation[i];
  }
}

VD_CLONES void vd_reparameterize_backward(float *restrict glogvar, const float *restrict gz,
                                          const float *restrict deviation, size_t n) {
  for (size_t i = 0; i < n; i++) glogvar[i] += gz[i] * 0.5f * deviation[i];
}
