// Multi-scale structural similarity (Wang, Simoncelli and Bovik, 2003) for images in [0, 1], one plane at a time. The
// window is Gaussian with sigma 1.5, without padding. Each scale halves the planes by 2 x 2 means.
#include "common.h"

enum { MOST_SCALES = 5, WIDEST = 11 };
static const float SCALE_WEIGHTS[MOST_SCALES] = {0.0448f, 0.2856f, 0.3001f, 0.2363f, 0.1333f};
static const float C1 = 0.01f * 0.01f, C2 = 0.03f * 0.03f;
// Lower limit of the mean of a scale. At the limit the slope is 0. The power of a smaller mean would be NaN or have a
// huge slope.
static const float LEAST = 1e-3f;

typedef struct { size_t rows, columns, window; } extent;

static extent extent_of(size_t rows, size_t columns) {
  size_t shorter = rows < columns ? rows : columns, window = shorter < WIDEST ? shorter : WIDEST;
  return (extent){rows, columns, window - (window + 1) % 2};
}

size_t vd_similarity_scales(size_t rows, size_t columns) {
  size_t shorter = rows < columns ? rows : columns, scales = 1;
  while (scales < MOST_SCALES && shorter / 2 >= WIDEST) shorter /= 2, scales++;
  return scales;
}

// Five planes for each scale (together less than seven planes of the first scale), seven work planes, and one for a
// gradient.
size_t vd_similarity_workspace(size_t rows, size_t columns) { return 15 * rows * columns; }

static void window_of(float *w, size_t n) {
  float total = 0;
  for (size_t i = 0; i < n; i++) {
    const float d = (float)i - 0.5f * (float)(n - 1);
    total += w[i] = exp_f(-d * d / 4.5f);
  }
  for (size_t i = 0; i < n; i++) w[i] /= total;
}

// y = w * x, a convolution without padding. `rest` has room for a plane.
VD_INLINE void blur(float *restrict y, const float *restrict x, float *restrict rest, extent e,
                    const float *restrict w) {
  const size_t inner = e.columns - e.window + 1, rows = e.rows - e.window + 1;
  memset(rest, 0, e.rows * inner * sizeof *rest);
  for (size_t r = 0; r < e.rows; r++)
    for (size_t t = 0; t < e.window; t++)
      for (size_t c = 0; c < inner; c++) rest[r * inner + c] += w[t] * x[r * e.columns + c + t];
  memset(y, 0, rows * inner * sizeof *y);
  for (size_t r = 0; r < rows; r++)
    for (size_t t = 0; t < e.window; t++)
      for (size_t c = 0; c < inner; c++) y[r * inner + c] += w[t] * rest[(r + t) * inner + c];
}

// The adjoint of `blur`.
VD_INLINE void spread(float *restrict x, const float *restrict y, float *restrict rest, extent e,
                      const float *restrict w) {
  const size_t inner = e.columns - e.window + 1, rows = e.rows - e.window + 1;
  memset(rest, 0, e.rows * inner * sizeof *rest);
  for (size_t r = 0; r < rows; r++)
    for (size_t t = 0; t < e.window; t++)
      for (size_t c = 0; c < inner; c++) rest[(r + t) * inner + c] += w[t] * y[r * inner + c];
  memset(x, 0, e.rows * e.columns * sizeof *x);
  for (size_t r = 0; r < e.rows; r++)
    for (size_t t = 0; t < e.window; t++)
      for (size_t c = 0; c < inner; c++) x[r * e.columns + c + t] += w[t] * rest[r * inner + c];
}

VD_INLINE void halve(float *restrict y, const float *restrict x, extent e) {
  const size_t rows = e.rows / 2, columns = e.columns / 2;
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++) {
      const float *at = x + 2 * r * e.columns + 2 * c;
      y[r * columns + c] = 0.25f * ((at[0] + at[1]) + (at[e.columns] + at[e.columns + 1]));
    }
}

// The mean over a scale of contrast and structure, multiplied by luminance at the last scale. d[0], d[1] and d[2]
// receive its slopes with respect to the window means of y, y^2 and xy.
VD_INLINE float scale_mean(float *restrict const d[3], const float *restrict x, const float *restrict y,
                           float *restrict work, extent e, const float *restrict w, int is_last) {
  const size_t n = e.rows * e.columns, inner = (e.rows - e.window + 1) * (e.columns - e.window + 1);
  float *restrict rest = work, *restrict product = work + n, *mx = work + 2 * n, *my = work + 3 * n;
  float *xx = work + 4 * n, *yy = work + 5 * n, *xy = work + 6 * n;
  blur(mx, x, rest, e, w);
  blur(my, y, rest, e, w);
  for (size_t i = 0; i < n; i++) product[i] = x[i] * x[i];
  blur(xx, product, rest, e, w);
  for (size_t i = 0; i < n; i++) product[i] = y[i] * y[i];
  blur(yy, product, rest, e, w);
  for (size_t i = 0; i < n; i++) product[i] = x[i] * y[i];
  blur(xy, product, rest, e, w);
  float *restrict value = product, *restrict d0 = d[0], *restrict d1 = d[1], *restrict d2 = d[2];
  const float share = 1.0f / (float)inner;
  for (size_t i = 0; i < inner; i++) {
    const float a = mx[i], b = my[i];
    const float top = 2.0f * (xy[i] - a * b) + C2, bottom = (xx[i] - a * a) + (yy[i] - b * b) + C2;
    const float contrast = top / bottom;
    const float light_bottom = a * a + b * b + C1, light = is_last ? (2.0f * a * b + C1) / light_bottom : 1.0f;
    value[i] = contrast * light;
    const float by_square = -light * contrast / bottom, by_product = 2.0f * light / bottom;
    const float by_light = is_last ? contrast * 2.0f * (a - b * light) / light_bottom : 0.0f;
    d0[i] = share * (by_light - 2.0f * b * by_square - a * by_product);
    d1[i] = share * by_square;
    d2[i] = share * by_product;
  }
  return share * sum_floats(value, inner);
}

// 1 - similarity of two planes, which are at the start of the workspace. If `gy` is not null, g times the gradient with
// respect to y is added to it.
VD_INLINE float plane_dissimilarity(float *restrict gy, float g, float *restrict work, size_t rows, size_t columns) {
  const size_t scales = vd_similarity_scales(rows, columns);
  float *x[MOST_SCALES], *y[MOST_SCALES], *d[MOST_SCALES][3], *end = work;
  float w[MOST_SCALES][WIDEST], mean[MOST_SCALES], weight[MOST_SCALES], total = 0, log_product = 0;
  extent e[MOST_SCALES];
  for (size_t s = 0; s < scales; s++) {
    e[s] = extent_of(rows >> s, columns >> s);
    window_of(w[s], e[s].window);
    const size_t n = e[s].rows * e[s].columns;
    x[s] = end, y[s] = end + n;
    for (size_t i = 0; i < 3; i++) d[s][i] = end + (2 + i) * n;
    end += 5 * n;
    total += SCALE_WEIGHTS[s];
  }
  for (size_t s = 0; s < scales; s++) {
    if (s > 0) halve(x[s], x[s - 1], e[s - 1]), halve(y[s], y[s - 1], e[s - 1]);
    mean[s] = scale_mean(d[s], x[s], y[s], end, e[s], w[s], s + 1 == scales);
    weight[s] = SCALE_WEIGHTS[s] / total;
    log_product += weight[s] * log_f(mean[s] > LEAST ? mean[s] : LEAST) + 0.0f * mean[s];
  }
  const float similarity = exp_f(log_product);
  if (!gy) return 1.0f - similarity;
  // From the smallest scale to the largest. The `x` of a scale is no longer needed after its gradient is computed.
  float *spread_plane = end, *rest = end + rows * columns;
  for (size_t s = scales; s-- > 0;) {
    const size_t n = e[s].rows * e[s].columns;
    const float slope = mean[s] > LEAST ? -g * similarity * weight[s] / mean[s] : 0.0f;
    float *gradient = end + 2 * rows * columns;
    spread(spread_plane, d[s][2], rest, e[s], w[s]);
    for (size_t i = 0; i < n; i++) gradient[i] = x[s][i] * spread_plane[i];
    spread(spread_plane, d[s][1], rest, e[s], w[s]);
    for (size_t i = 0; i < n; i++) gradient[i] += 2.0f * y[s][i] * spread_plane[i];
    spread(spread_plane, d[s][0], rest, e[s], w[s]);
    for (size_t i = 0; i < n; i++) x[s][i] = slope * (gradient[i] + spread_plane[i]);
    if (s + 1 == scales) continue;
    for (size_t r = 0; r < 2 * e[s + 1].rows; r++)
      for (size_t c = 0; c < 2 * e[s + 1].columns; c++)
        x[s][r * e[s].columns + c] += 0.25f * x[s + 1][r / 2 * e[s + 1].columns + c / 2];
  }
  for (size_t i = 0; i < rows * columns; i++) gy[i] += x[0][i];
  return 1.0f - similarity;
}

VD_INLINE void take(float *restrict plane, const float *restrict image, size_t n, size_t channels) {
  for (size_t i = 0; i < n; i++) plane[i] = image[i * channels];
}

VD_CLONES void vd_dissimilarity(float *restrict loss, const float *restrict x, const float *restrict y,
                                float *restrict work, size_t samples, size_t rows, size_t columns, size_t channels) {
  const size_t n = rows * columns;
  for (size_t i = 0; i < samples; i++) {
    float sum = 0;
    for (size_t c = 0; c < channels; c++) {
      take(work, x + i * n * channels + c, n, channels);
      take(work + n, y + i * n * channels + c, n, channels);
      sum += plane_dissimilarity(NULL, 0, work, rows, columns);
    }
    loss[i] = sum / (float)channels;
  }
}

VD_CLONES void vd_dissimilarity_backward(float *restrict gy, const float *restrict g, const float *restrict x,
                                         const float *restrict y, float *restrict work, size_t samples, size_t rows,
                                         size_t columns, size_t channels) {
  const size_t n = rows * columns;
  float *restrict plane = work + vd_similarity_workspace(rows, columns) - n;
  for (size_t i = 0; i < samples; i++)
    for (size_t c = 0; c < channels; c++) {
      take(work, x + i * n * channels + c, n, channels);
      take(work + n, y + i * n * channels + c, n, channels);
      memset(plane, 0, n * sizeof *plane);
      plane_dissimilarity(plane, g[i] / (float)channels, work, rows, columns);
      for (size_t j = 0; j < n; j++) gy[(i * n + j) * channels + c] += plane[j];
    }
}
