#include "common.h"

// Pixels are processed in blocks that fit into the L1 cache. An activation then reads values that have just been
// written, and long sums are split into sums of block sums.
enum { BLOCK = 2048 };

VD_INLINE size_t whole_lanes(size_t n) { return (n + LANES - 1) / LANES * LANES; }
VD_INLINE size_t block_pixels(size_t channels) { return channels < BLOCK ? BLOCK / channels : 1; }
// Replaces negative values, which are rounding errors of 0, by 0. A NaN is preserved.
VD_INLINE float nonnegative(float x) { return x < 0 ? 0 : x; }
VD_INLINE int needs_input(int f) { return f == VD_SILU || f == VD_GELU; }

size_t vd_group_norm_work(size_t channels) {
  return 4 * whole_lanes(channels) + (channels < BLOCK ? BLOCK : channels);
}

// sum[c] += sum_i x[i, c]. Whole lanes are added; lanes beyond the last channel are not used.
VD_INLINE void add_columns(float *sum, const float *x, size_t pixels, size_t channels) {
  for (size_t c = 0; c < channels; c += LANES) {
    lanes a = {0}, b = {0};
    size_t i = 0;
    for (; i + 2 <= pixels; i += 2) {
      a += *(const lanes *)(x + i * channels + c);
      b += *(const lanes *)(x + (i + 1) * channels + c);
    }
    if (i < pixels) a += *(const lanes *)(x + i * channels + c);
    *(lanes *)(sum + c) += a + b;
  }
}

// sum[c] += sum_i g[i, c]; product[c] += sum_i g[i, c] (x[i, c] - mean[c]). If g is null, x - mean is used for g.
VD_INLINE void add_moments(float *sum, float *product, const float *g, const float *x, const float *mean,
                           size_t pixels, size_t channels) {
  for (size_t c = 0; c < channels; c += LANES) {
    const lanes m = *(const lanes *)(mean + c);
    lanes a = {0}, b = {0}, p = {0}, q = {0};
    size_t i = 0;
    for (; i + 2 <= pixels; i += 2) {
      const lanes s = *(const lanes *)(x + i * channels + c) - m;
      const lanes t = *(const lanes *)(x + (i + 1) * channels + c) - m;
      const lanes u = g ? *(const lanes *)(g + i * channels + c) : s;
      const lanes v = g ? *(const lanes *)(g + (i + 1) * channels + c) : t;
      a += u;
      b += v;
      p += u * s;
      q += v * t;
    }
    if (i < pixels) {
      const lanes s = *(const lanes *)(x + i * channels + c) - m;
      const lanes u = g ? *(const lanes *)(g + i * channels + c) : s;
      a += u;
      p += u * s;
    }
    *(lanes *)(sum + c) += a + b;
    *(lanes *)(product + c) += p + q;
  }
}

// y[i, c] = (x[i, c] - mean[c]) scale[c] + bias[c]
VD_INLINE void normalize(float *restrict y, const float *restrict x, const float *restrict mean,
                         const float *restrict scale, const float *restrict bias, size_t pixels, size_t channels) {
  for (size_t i = 0; i < pixels; i++)
    for (size_t c = 0; c < channels; c++)
      y[i * channels + c] = (x[i * channels + c] - mean[c]) * scale[c] + bias[c];
}

VD_CLONES void vd_group_norm(float *restrict y, float *restrict statistics, float *restrict work,
                             const float *restrict x, const float *restrict weight, const float *restrict bias,
                             size_t samples, size_t pixels, size_t channels, size_t groups, float epsilon, int f) {
  const size_t pitch = whole_lanes(channels), depth = channels / groups, step = block_pixels(channels);
  const float share = 1.0f / ((float)depth * (float)pixels);
  float *mean = work, *scale = work + pitch, *sum = scale, *square = work + 2 * pitch, *block = work + 4 * pitch;
  for (size_t n = 0; n < samples; n++) {
    const float *image = x + n * pixels * channels;
    float *to = y + n * pixels * channels;
    memset(sum, 0, pitch * sizeof(float));
    for (size_t i = 0; i < pixels; i += step)
      add_columns(sum, image + i * channels, pixels - i < step ? pixels - i : step, channels);
    for (size_t group = 0; group < groups; group++) {
      float total = 0;
      for (size_t c = group * depth; c < (group + 1) * depth; c++) total += sum[c];
      for (size_t c = group * depth; c < (group + 1) * depth; c++) mean[c] = total * share;
    }
    memset(sum, 0, 2 * pitch * sizeof(float));
    for (size_t i = 0; i < pixels; i += step)
      add_moments(sum, square, NULL, image + i * channels, mean, pixels - i < step ? pixels - i : step, channels);
    for (size_t group = 0; group < groups; group++) {
      // Corrects the rounding error of the mean: the error is added to the mean, and its square is subtracted from the
      // mean square (Chan, Golub and LeVeque, 1983).
      float rest = 0, squares = 0;
      for (size_t c = group * depth; c < (group + 1) * depth; c++) {
        rest += sum[c];
        squares += square[c];
      }
      rest *= share;
      const float variance = nonnegative(squares * share - rest * rest);
      const float centre = mean[group * depth] + rest;
      const float inverse = 1.0f / __builtin_sqrtf(variance + epsilon);
      statistics[2 * (n * groups + group)] = centre;
      statistics[2 * (n * groups + group) + 1] = inverse;
      for (size_t c = group * depth; c < (group + 1) * depth; c++) {
        mean[c] = centre;
        scale[c] = weight[c] * inverse;
      }
    }
    for (size_t i = 0; i < pixels; i += step) {
      const size_t count = pixels - i < step ? pixels - i : step, at = i * channels;
      normalize(to + at, image + at, mean, scale, bias, count, channels);
      if (f != VD_IDENTITY) vd_bias_activation(to + at, block, NULL, 1, count * channels, f);
    }
  }
}

VD_CLONES void vd_group_norm_backward(float *restrict gx, float *restrict gweight, float *restrict gbias,
                                      float *restrict gy, float *restrict work, const float *restrict y,
                                      const float *restrict statistics, const float *restrict x,
                                      const float *restrict weight, const float *restrict bias, size_t samples,
                                      size_t pixels, size_t channels, size_t groups, int accumulate, int f) {
  const size_t pitch = whole_lanes(channels), depth = channels / groups, step = block_pixels(channels);
  const float share = 1.0f / ((float)depth * (float)pixels);
  float *mean = work, *scale = work + pitch, *sum = work + 2 * pitch, *product = work + 3 * pitch;
  float *block = work + 4 * pitch;
  for (size_t n = 0; n < samples; n++) {
    const size_t sample = n * pixels * channels;
    const float *of = statistics + 2 * n * groups;
    for (size_t c = 0; c < channels; c++) {
      mean[c] = of[2 * (c / depth)];
      scale[c] = weight[c] * of[2 * (c / depth) + 1];
    }
    memset(sum, 0, 2 * pitch * sizeof(float));
    for (size_t i = 0; i < pixels; i += step) {
      const size_t count = pixels - i < step ? pixels - i : step, at = sample + i * channels;
      if (needs_input(f)) normalize(block, x + at, mean, scale, bias, count, channels);
      vd_activation_backward(gy + at, y + at, block, count * channels, f);
      add_moments(sum, product, gy + at, x + at, mean, count, channels);
    }
    for (size_t group = 0; group < groups; group++) {
      // gx = (w g - mean(w g) - (x - mean) mean(w g (x - mean)) / deviation^2) / deviation
      const float inverse = of[2 * group + 1];
      float constant = 0, slope = 0;
      for (size_t c = group * depth; c < (group + 1) * depth; c++) {
        constant += weight[c] * sum[c];
        slope += weight[c] * product[c];
        if (gbias) gbias[c] += sum[c];
        if (gweight) gweight[c] += product[c] * inverse;
      }
      for (size_t c = group * depth; c < (group + 1) * depth; c++) {
        sum[c] = constant * share * inverse;
        product[c] = slope * share * inverse * inverse * inverse;
      }
    }
    if (!gx) continue;
    float *to = gx + sample;
    const float *g = gy + sample, *image = x + sample;
    for (size_t i = 0; i < pixels; i++, to += channels, g += channels, image += channels)
      if (accumulate)
        for (size_t c = 0; c < channels; c++)
          to[c] += g[c] * scale[c] - sum[c] - (image[c] - mean[c]) * product[c];
      else
        for (size_t c = 0; c < channels; c++)
          to[c] = g[c] * scale[c] - sum[c] - (image[c] - mean[c]) * product[c];
  }
}

VD_CLONES void vd_layer_norm(float *restrict y, float *restrict statistics, const float *restrict x,
                             const float *restrict weight, const float *restrict bias, size_t rows, size_t columns,
                             float epsilon) {
  const float share = 1.0f / (float)columns;
  for (size_t i = 0; i < rows; i++) {
    const float *row = x + i * columns;
    const float rough = sum_floats(row, columns) * share;
    lanes sums = {0}, squares = {0};
    float rest = 0, square = 0;
    size_t j = 0;
    for (; j + LANES <= columns; j += LANES) {
      const lanes d = *(const lanes *)(row + j) - rough;
      sums += d;
      squares += d * d;
    }
    for (; j < columns; j++) {
      rest += row[j] - rough;
      square += (row[j] - rough) * (row[j] - rough);
    }
    rest = (rest + sum_lanes(&sums)) * share;
    const float variance = nonnegative((square + sum_lanes(&squares)) * share - rest * rest);
    const float mean = rough + rest, inverse = 1.0f / __builtin_sqrtf(variance + epsilon);
    statistics[2 * i] = mean;
    statistics[2 * i + 1] = inverse;
    for (j = 0; j < columns; j++) y[i * columns + j] = (row[j] - mean) * inverse * weight[j] + bias[j];
  }
}

VD_CLONES void vd_layer_norm_backward(float *restrict gx, float *restrict gweight, float *restrict gbias,
                                      const float *restrict gy, const float *restrict statistics,
                                      const float *restrict x, const float *restrict weight, size_t rows,
                                      size_t columns, int accumulate) {
  const float share = 1.0f / (float)columns;
  for (size_t i = 0; i < rows; i++) {
    const float *row = x + i * columns, *g = gy + i * columns;
    const float mean = statistics[2 * i], inverse = statistics[2 * i + 1];
    if (gbias)
      for (size_t j = 0; j < columns; j++) gbias[j] += g[j];
    if (gweight)
      for (size_t j = 0; j < columns; j++) gweight[j] += g[j] * (row[j] - mean) * inverse;
    if (!gx) continue;
    lanes sums = {0}, products = {0};
    float constant = 0, slope = 0;
    size_t j = 0;
    for (; j + LANES <= columns; j += LANES) {
      const lanes h = *(const lanes *)(g + j) * *(const lanes *)(weight + j);
      sums += h;
      products += h * (*(const lanes *)(row + j) - mean);
    }
    for (; j < columns; j++) {
      constant += g[j] * weight[j];
      slope += g[j] * weight[j] * (row[j] - mean);
    }
    constant = (constant + sum_lanes(&sums)) * share * inverse;
    slope = (slope + sum_lanes(&products)) * share * inverse * inverse * inverse;
    float *to = gx + i * columns;
    if (accumulate)
      for (j = 0; j < columns; j++) to[j] += g[j] * weight[j] * inverse - constant - (row[j] - mean) * slope;
    else
      for (j = 0; j < columns; j++) to[j] = g[j] * weight[j] * inverse - constant - (row[j] - mean) * slope;
  }
}
