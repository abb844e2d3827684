// Terms that compare the samples of a microbatch with each other, such as estimates of the aggregate posterior.
#include "common.h"

// log q(z | x) of each unit, up to a constant that cancels: -(logvar + (z - mu)^2 precision) / 2.
VD_INLINE void log_densities(float *restrict line, const float *restrict z, const float *restrict mu,
                             const float *restrict logvar, const float *restrict precision, size_t columns) {
  for (size_t j = 0; j < columns; j++) {
    const float d = z[j] - mu[j];
    line[j] = -0.5f * (logvar[j] + d * d * precision[j]);
  }
}

VD_CLONES void vd_total_correlation(float *restrict tc, float *restrict weights, float *restrict marginals,
                                    float *restrict work, const float *restrict z, const float *restrict mu,
                                    const float *restrict logvar, size_t rows, size_t columns) {
  const float count = (float)rows;
  float *const precision = work, *const line = work + rows * columns, *const sums = line + columns;
  for (size_t i = 0; i < rows * columns; i++) precision[i] = exp_f(-logvar[i]);
  for (size_t i = 0; i < rows; i++) {
    const float *zi = z + i * columns;
    float *most = marginals + i * columns, *weight = weights + i * rows;
    for (size_t j = 0; j < columns; j++) most[j] = -__builtin_inff(), sums[j] = 0;
    for (size_t k = 0; k < rows; k++) {
      log_densities(line, zi, mu + k * columns, logvar + k * columns, precision + k * columns, columns);
      for (size_t j = 0; j < columns; j++) most[j] = line[j] > most[j] ? line[j] : most[j];
    }
    for (size_t k = 0; k < rows; k++) {
      log_densities(line, zi, mu + k * columns, logvar + k * columns, precision + k * columns, columns);
      for (size_t j = 0; j < columns; j++) sums[j] += exp_f(line[j] - most[j]);
    }
    for (size_t j = 0; j < columns; j++) most[j] += log_f(sums[j] / count);
    // Each unit's density is divided by its marginal before the product is formed. This avoids differences of large
    // sums.
    float top = -__builtin_inff();
    for (size_t k = 0; k < rows; k++) {
      log_densities(line, zi, mu + k * columns, logvar + k * columns, precision + k * columns, columns);
      for (size_t j = 0; j < columns; j++) line[j] -= most[j];
      weight[k] = sum_floats(line, columns);
      top = weight[k] > top ? weight[k] : top;
    }
    for (size_t k = 0; k < rows; k++) weight[k] = exp_f(weight[k] - top);
    const float sum = sum_floats(weight, rows);
    for (size_t k = 0; k < rows; k++) weight[k] /= sum;
    tc[i] = top + log_f(sum / count);
  }
}

VD_CLONES void vd_total_correlation_backward(float *gz, float *gmu, float *glogvar, const float *g,
                                             const float *weights, const float *marginals, float *work,
                                             const float *z, const float *mu, const float *logvar, size_t rows,
                                             size_t columns) {
  const float count = (float)rows;
  float *restrict const precision = work, *restrict const line = work + rows * columns;
  float *restrict const slope = line + columns;
  for (size_t i = 0; i < rows * columns; i++) precision[i] = exp_f(-logvar[i]);
  for (size_t i = 0; i < rows; i++) {
    const float *zi = z + i * columns, *marginal = marginals + i * columns;
    for (size_t k = 0; k < rows; k++) {
      const float *m = mu + k * columns, *p = precision + k * columns;
      const float weight = weights[i * rows + k], gi = g[i];
      log_densities(line, zi, m, logvar + k * columns, p, columns);
      // The slope for sample k's density of unit j: its share of the joint density minus its share of the marginal
      // density.
      for (size_t j = 0; j < columns; j++) slope[j] = gi * (weight - exp_f(line[j] - marginal[j]) / count);
      if (gz)
        for (size_t j = 0; j < columns; j++) gz[i * columns + j] -= slope[j] * (zi[j] - m[j]) * p[j];
      if (gmu)
        for (size_t j = 0; j < columns; j++) gmu[k * columns + j] += slope[j] * (zi[j] - m[j]) * p[j];
      if (glogvar)
        for (size_t j = 0; j < columns; j++) {
          const float d = zi[j] - m[j];
          glogvar[k * columns + j] += 0.5f * slope[j] * (d * d * p[j] - 1.0f);
        }
    }
  }
}

// E[k(z, p)] over p ~ N(0, I) is prior_factor(c, 2) * exp(-|z|^2 / (c + 2)), and E[k(p, p')] is prior_factor(c, 4),
// where k is the kernel of vd_prior_discrepancy.
VD_INLINE float prior_factor(float c, float n) { return exp_f(-0.5f * c * log_f(1.0f + n / c)); }

VD_CLONES void vd_prior_discrepancy(float *restrict loss, float *restrict pairs, float *restrict prior,
                                    const float *restrict z, size_t rows, size_t columns) {
  const float c = (float)columns, one = prior_factor(c, 2.0f), two = prior_factor(c, 4.0f);
  for (size_t i = 0; i < rows; i++) {
    for (size_t k = 0; k < i; k++) pairs[i * rows + k] = pairs[k * rows + i];
    pairs[i * rows + i] = 0;
    for (size_t k = i + 1; k < rows; k++)
      pairs[i * rows + k] = exp_f(-squared_distance(z + i * columns, z + k * columns, columns) / c);
    float square = 0;
    lanes squares = {0};
    size_t j = 0;
    for (; j + LANES <= columns; j += LANES) {
      lanes v = *(const lanes *)(z + i * columns + j);
      squares += v * v;
    }
    for (; j < columns; j++) square += z[i * columns + j] * z[i * columns + j];
    prior[i] = one * exp_f(-(sum_lanes(&squares) + square) / (c + 2.0f));
    loss[i] = sum_floats(pairs + i * rows, rows) / (float)(rows - 1) - 2.0f * prior[i] + two;
  }
}

VD_CLONES void vd_prior_discrepancy_backward(float *restrict gz, const float *restrict g, const float *restrict pairs,
                                             const float *restrict prior, const float *restrict z, size_t rows,
                                             size_t columns) {
  const float c = (float)columns, factor = -2.0f / (c * (float)(rows - 1));
  for (size_t i = 0; i < rows; i++) {
    const float *zi = z + i * columns;
    float *gi = gz + i * columns;
    for (size_t k = 0; k < rows; k++) {
      const float w = factor * (g[i] + g[k]) * pairs[i * rows + k];
      for (size_t j = 0; j < columns; j++) gi[j] += w * (zi[j] - z[k * columns + j]);
    }
    const float w = 4.0f * g[i] * prior[i] / (c + 2.0f);
    for (size_t j = 0; j < columns; j++) gi[j] += w * zi[j];
  }
}
