// Likelihoods with one number, or one pair of numbers, of the location for each value of x.
#include "likelihood_math.h"

// The losses of a chunk of elements are stored first and then summed, because the compiler fully vectorises a loop that
// only stores.
enum { CHUNK = 512 };
#define SUM_OF_ROWS(ELEMENT)                                             \
  for (size_t i = 0; i < rows; i++) {                                    \
    float element[CHUNK], sum = 0;                                       \
    for (size_t at = 0; at < columns; at += CHUNK) {                     \
      const size_t n = columns - at < CHUNK ? columns - at : CHUNK;      \
      const float *t = x + i * columns + at;                             \
      const size_t first = i * columns + at;                             \
      for (size_t j = 0; j < n; j++) element[j] = ELEMENT;               \
      sum += sum_floats(element, n);                                     \
    }                                                                    \
    loss[i] = sum;                                                       \
  }

VD_INLINE float continuous_bernoulli_mean(float l, float *slope) {
  float q = log_mean_exp(__builtin_fabsf(l), slope);
  *slope = l > 0.0f ? 1.0f + *slope : -*slope;
  return q;
}

// log(integral of exp(l x) over [0, 1]) - l x. It is the cross-entropy with the normaliser in place of
// log(1 + exp(-|l|)).
VD_INLINE float continuous_bernoulli_element(float l, float x, float *residual) {
  float mean, q = continuous_bernoulli_mean(l, &mean);
  *residual = mean - x;
  return (l > 0.0f ? l : 0.0f) - l * x + q;
}

VD_CLONES void vd_continuous_bernoulli(float *restrict loss, float *restrict residual, const float *restrict logits,
                                       const float *restrict x, size_t rows, size_t columns) {
  SUM_OF_ROWS(continuous_bernoulli_element(logits[first + j], t[j], &residual[first + j]))
}

VD_INLINE float gaussian_pixel_element(float m, float raw, float x, float *slope_mean, float *slope_sigma) {
  float slope, s = soft_floor(raw, LOWEST_LOG_SIGMA, &slope);
  float precision = exp_f(-2.0f * s), d = m - x, square = d * d * precision;
  *slope_mean = d * precision;
  *slope_sigma = (1.0f - square) * slope;
  return 0.5f * square + s + HALF_LOG_2PI + 0.0f * raw;
}

VD_CLONES void vd_gaussian_pixel(float *restrict loss, float *restrict residual, const float *restrict location,
                                 const float *restrict x, size_t rows, size_t columns) {
  SUM_OF_ROWS(gaussian_pixel_element(location[2 * (first + j)], location[2 * (first + j) + 1], t[j],
                                     &residual[2 * (first + j)], &residual[2 * (first + j) + 1]))
}

VD_CLONES void vd_discretized_logistic(float *restrict loss, float *restrict residual, const float *restrict location,
                                       const float *restrict x, size_t rows, size_t columns) {
  SUM_OF_ROWS(logistic_bin(2.0f * t[j] - 1.0f, location[2 * (first + j)], location[2 * (first + j) + 1],
                           &residual[2 * (first + j)], &residual[2 * (first + j) + 1]))
}

VD_CLONES void vd_laplace(float *restrict loss, const float *restrict mean, const float *restrict x, float log_scale,
                          size_t rows, size_t columns) {
  const float inverse = exp_f(-log_scale);
  SUM_OF_ROWS(__builtin_fabsf(mean[first + j] - t[j]) * inverse + (log_scale + 0.693147181f))
}

VD_CLONES double vd_laplace_backward(float *restrict gmean, const float *restrict g, const float *restrict mean,
                                     const float *restrict x, float log_scale, size_t rows, size_t columns) {
  const float inverse = exp_f(-log_scale);
  double total = 0;
  for (size_t i = 0; i < rows; i++) {
    const float *m = mean + i * columns, *t = x + i * columns, factor = g[i] * inverse;
    lanes distance = {0};
    float tail = 0;
    size_t j = 0;
    for (; j + LANES <= columns; j += LANES) {
      lanes d = *(const lanes *)(m + j) - *(const lanes *)(t + j);
      distance += __builtin_elementwise_abs(d);
    }
    for (; j < columns; j++) tail += __builtin_fabsf(m[j] - t[j]);
    total += (double)g[i] * ((double)columns - (double)inverse * (sum_lanes(&distance) + tail));
    if (!gmean) continue;
    for (j = 0; j < columns; j++) {
      float d = m[j] - t[j];
      gmean[i * columns + j] += d > 0.0f ? factor : d < 0.0f ? -factor : 0.0f;
    }
  }
  return total;
}

// sigma^2 is the mean squared error of the sample plus the square of the smallest sigma, exp(-6).
static const float LEAST_VARIANCE = 6.14421235e-6f;

VD_CLONES void vd_gaussian_optimal(float *restrict loss, float *restrict residual, const float *restrict mean,
                                   const float *restrict x, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; i++) {
    const float *m = mean + i * columns, *t = x + i * columns;
    lanes squares = {0};
    float tail = 0;
    size_t j = 0;
    for (; j + LANES <= columns; j += LANES) {
      lanes d = *(const lanes *)(m + j) - *(const lanes *)(t + j);
      squares += d * d;
    }
    for (; j < columns; j++) tail += (m[j] - t[j]) * (m[j] - t[j]);
    const float n = (float)columns, square = (sum_lanes(&squares) + tail) / n, variance = square + LEAST_VARIANCE;
    loss[i] = n * (0.5f * (log_f(variance) + square / variance) + HALF_LOG_2PI);
    const float slope = 1.0f / variance + LEAST_VARIANCE / (variance * variance);
    for (j = 0; j < columns; j++) residual[i * columns + j] = slope * (m[j] - t[j]);
  }
}

VD_CLONES void vd_likelihood_mean(float *restrict y, const float *restrict location, size_t n, int kind) {
  float unused;
  switch (kind) {
  case VD_CONTINUOUS_BERNOULLI:
    for (size_t j = 0; j < n; j++) continuous_bernoulli_mean(location[j], &y[j]);
    break;
  case VD_GAUSSIAN_PIXEL:
    for (size_t j = 0; j < n; j++) y[j] = location[2 * j];
    break;
  case VD_DISCRETIZED_LOGISTIC:
    for (size_t j = 0; j < n; j++)
      y[j] = 0.5f + 0.5f * clipped_mean(location[2 * j], location[2 * j + 1], &unused, &unused);
    break;
  }
}

// The variance of a continuous Bernoulli, which is the slope of its mean: 1 / l^2 - e / (1 - e)^2 with e = exp(-|l|).
VD_INLINE float continuous_bernoulli_variance(float l) {
  const float a = __builtin_fabsf(l), z = a * a;
  float d = 2.087675699e-8f * 9.0f;
  d = d * z - 8.267195767e-7f * 7.0f;
  d = d * z + 3.306878307e-5f * 5.0f;
  d = d * z - 1.388888889e-3f * 3.0f;
  d = d * z + 8.333333333e-2f;
  const float e = exp_nonpositive(-a), m = 1.0f - e;
  return a < 1.0f ? d : 1.0f / z - e / (m * m);
}

VD_CLONES void vd_likelihood_mean_backward(float *restrict glocation, const float *restrict gy,
                                           const float *restrict location, size_t n, int kind) {
  switch (kind) {
  case VD_CONTINUOUS_BERNOULLI:
    for (size_t j = 0; j < n; j++) glocation[j] += gy[j] * continuous_bernoulli_variance(location[j]);
    break;
  case VD_GAUSSIAN_PIXEL:
    for (size_t j = 0; j < n; j++) glocation[2 * j] += gy[j];
    break;
  case VD_DISCRETIZED_LOGISTIC:
    for (size_t j = 0; j < n; j++) {
      float slope_mean, slope_scale;
      clipped_mean(location[2 * j], location[2 * j + 1], &slope_mean, &slope_scale);
      glocation[2 * j] += 0.5f * gy[j] * slope_mean;
      glocation[2 * j + 1] += 0.5f * gy[j] * slope_scale;
    }
    break;
  }
}

// The inverse of the distribution function (exp(l x) - 1) / (exp(l) - 1). For l < 0 it uses the symmetry, and near 0
// the first two terms of its series.
VD_INLINE float continuous_bernoulli_draw(float l, float u) {
  const float a = __builtin_fabsf(l), v = l < 0.0f ? 1.0f - u : u, e = exp_nonpositive(-a);
  const float x = a < 1e-2f ? v + 0.5f * a * v * (1.0f - v) : 1.0f + log_f(v + (1.0f - v) * e) / a;
  const float inside = x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
  return l < 0.0f ? 1.0f - inside : inside;
}

VD_INLINE float laplace_draw(float u) {
  const float t = u - 0.5f, d = log_f(1.0f - 2.0f * __builtin_fabsf(t));
  return t < 0.0f ? d : -d;
}

VD_CLONES void vd_likelihood_sample(float *restrict x, const float *restrict location, const float *restrict noise,
                                    float log_scale, size_t n, int kind) {
  const float scale = exp_f(log_scale);
  float slope;
  switch (kind) {
  case VD_BERNOULLI:
    for (size_t j = 0; j < n; j++) x[j] = noise[j] < sigmoid_f(location[j]) ? 1.0f : 0.0f;
    break;
  case VD_CONTINUOUS_BERNOULLI:
    for (size_t j = 0; j < n; j++) x[j] = continuous_bernoulli_draw(location[j], noise[j]);
    break;
  case VD_GAUSSIAN:
    for (size_t j = 0; j < n; j++) x[j] = location[j] + scale * noise[j];
    break;
  case VD_LAPLACE:
    for (size_t j = 0; j < n; j++) x[j] = location[j] + scale * laplace_draw(noise[j]);
    break;
  case VD_GAUSSIAN_PIXEL:
    for (size_t j = 0; j < n; j++)
      x[j] = location[2 * j] + exp_f(soft_floor(location[2 * j + 1], LOWEST_LOG_SIGMA, &slope)) * noise[j];
    break;
  case VD_DISCRETIZED_LOGISTIC:
    for (size_t j = 0; j < n; j++)
      x[j] = logistic_level(location[2 * j], location[2 * j + 1], noise[j]) * (1.0f / 255.0f);
    break;
  }
}

VD_CLONES int vd_all_levels(const float *x, size_t n) {
  int off = 0;
  for (size_t j = 0; j < n; j++) {
    const float level = x[j] * 255.0f, nearest = __builtin_floorf(level + 0.5f);
    off |= !(__builtin_fabsf(level - nearest) <= 1e-2f && level >= -1e-2f && level <= 255.01f);
  }
  return !off;
}
