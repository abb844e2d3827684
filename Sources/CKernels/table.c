// Rows of a table. Column g has sizes[g] elements: one for a number, several for a category. NaN in x is a missing
// value.
#include <math.h>
#include "common.h"
#include "likelihood_math.h"

// log sum_k exp(l[k])
VD_INLINE float log_sum_exp(const float *l, size_t n) {
  float highest = l[0], sum = 0.0f;
  for (size_t k = 1; k < n; k++) highest = l[k] > highest ? l[k] : highest;
  for (size_t k = 0; k < n; k++) sum += exp_f(l[k] - highest);
  return highest + log_f(sum);
}

// log sigma with the soft lower limit `floor`, or without a limit if floor is -infinity.
VD_INLINE float log_sigma_of(float raw, float floor, float *slope) {
  if (floor == -INFINITY) return *slope = 1.0f, raw;
  return soft_floor(raw, floor, slope);
}

void vd_table(float *loss, float *sigma, const float *location, const float *x, const float *raw, size_t step,
              float floor, const int32_t *sizes, size_t groups, size_t rows, size_t columns) {
  // For each number, sigma contains log sigma, the precision, and the slope of log sigma with respect to raw.
  for (size_t g = 0, number = 0; g < groups; g++) {
    if (sizes[g] != 1) continue;
    float *of = sigma + 3 * number;
    of[0] = log_sigma_of(raw[step * number++], floor, &of[2]);
    of[1] = exp_f(-2.0f * of[0]);
  }
  for (size_t i = 0; i < rows; i++) {
    const float *m = location + i * columns, *t = x + i * columns;
    double sum = 0;
    for (size_t g = 0, j = 0, number = 0; g < groups; j += (size_t)sizes[g++]) {
      const size_t size = (size_t)sizes[g];
      if (size == 1) {
        const float *of = sigma + 3 * number++;
        if (t[j] == t[j]) sum += 0.5f * (m[j] - t[j]) * (m[j] - t[j]) * of[1] + of[0] + HALF_LOG_2PI;
      } else if (t[j] == t[j]) {
        float chosen = 0.0f;
        for (size_t k = 0; k < size; k++) chosen += t[j + k] * m[j + k];
        sum += log_sum_exp(m + j, size) - chosen;
      }
    }
    loss[i] = (float)sum;
  }
}

void vd_table_backward(float *glocation, float *graw, size_t step, const float *g, const float *sigma,
                       const float *location, const float *x, const int32_t *sizes, size_t groups, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; i++) {
    const float *m = location + i * columns, *t = x + i * columns;
    float *gm = glocation ? glocation + i * columns : NULL;
    for (size_t c = 0, j = 0, number = 0; c < groups; j += (size_t)sizes[c++]) {
      const size_t size = (size_t)sizes[c];
      const size_t own = size == 1 ? number++ : 0;
      if (t[j] != t[j]) continue;
      if (size == 1) {
        const float d = m[j] - t[j], *of = sigma + 3 * own;
        if (gm) gm[j] += g[i] * d * of[1];
        if (graw) graw[step * own] += g[i] * (1.0f - d * d * of[1]) * of[2];
      } else if (gm) {
        const float total = log_sum_exp(m + j, size);
        for (size_t k = 0; k < size; k++) gm[j + k] += g[i] * (exp_f(m[j + k] - total) - t[j + k]);
      }
    }
  }
}

void vd_table_mean(float *y, const float *location, const int32_t *sizes, size_t groups, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; i++) {
    for (size_t c = 0, j = i * columns; c < groups; j += (size_t)sizes[c++]) {
      const size_t size = (size_t)sizes[c];
      if (size == 1) {
        y[j] = location[j];
        continue;
      }
      const float total = log_sum_exp(location + j, size);
      for (size_t k = 0; k < size; k++) y[j + k] = exp_f(location[j + k] - total);
    }
  }
}

void vd_table_mean_backward(float *glocation, const float *gy, const float *y, const int32_t *sizes, size_t groups,
                            size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; i++) {
    for (size_t c = 0, j = i * columns; c < groups; j += (size_t)sizes[c++]) {
      const size_t size = (size_t)sizes[c];
      if (size == 1) {
        glocation[j] += gy[j];
        continue;
      }
      float inner = 0.0f;
      for (size_t k = 0; k < size; k++) inner += gy[j + k] * y[j + k];
      for (size_t k = 0; k < size; k++) glocation[j + k] += y[j + k] * (gy[j + k] - inner);
    }
  }
}

void vd_table_sample(float *x, const float *location, const float *raw, size_t step, float floor,
                     const float *normals, const float *uniforms, const int32_t *sizes, size_t groups, size_t rows, size_t columns) {
  float slope;
  for (size_t i = 0; i < rows; i++) {
    for (size_t c = 0, j = i * columns, number = 0; c < groups; j += (size_t)sizes[c++]) {
      const size_t size = (size_t)sizes[c];
      if (size == 1) {
        x[j] = location[j] + exp_f(log_sigma_of(raw[step * number++], floor, &slope)) * normals[j];
        continue;
      }
      const float total = log_sum_exp(location + j, size), u = uniforms[i * groups + c];
      float below = 0.0f;
      size_t chosen = 0;
      // The last category receives the probability that is lost to rounding.
      while (chosen + 1 < size && (below += exp_f(location[j + chosen] - total)) <= u) chosen++;
      for (size_t k = 0; k < size; k++) x[j + k] = k == chosen ? 1.0f : 0.0f;
    }
  }
}

void vd_observed(float *y, float *mask, const float *x, size_t n) {
  for (size_t j = 0; j < n; j++) {
    const int is_there = x[j] == x[j];
    y[j] = is_there ? x[j] : 0.0f;
    if (mask) mask[j] = is_there ? 1.0f : 0.0f;
  }
}
