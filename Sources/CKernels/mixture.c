// Mixtures of discretised logistics. Each channel of a pixel is conditioned on the previous channels (Salimans et al.,
// "PixelCNN++", ICLR 2017). For M mixtures and 3 channels, a pixel's outputs are M logits, and then for each channel M
// means, M log scales and M coefficients (green on red; blue on red; blue on green). With 1 channel there are no
// coefficients.
#include "likelihood_math.h"

enum { LANE = 16, MOST_MIXTURES = 32, MOST_OUTPUTS = 10 * MOST_MIXTURES };
typedef float block[LANE];

VD_INLINE size_t outputs_of(size_t channels, size_t mixtures) { return mixtures * (channels == 1 ? 3 : 10); }
// Index of a channel's first mean. Its M log scales and M coefficients follow.
VD_INLINE size_t means_of(size_t channel, size_t mixtures) { return mixtures * (1 + 3 * channel); }
VD_INLINE size_t coefficients_of(size_t channel, size_t mixtures) { return mixtures * (3 + 3 * channel); }

// Softmax of M logits; each lane holds one pixel.
VD_INLINE void weigh(block *restrict weight, block *restrict logits, block *restrict log_total, size_t mixtures) {
  block top, total;
  for (size_t i = 0; i < LANE; i++) top[i] = -3.4e38f, total[i] = 0;
  for (size_t k = 0; k < mixtures; k++)
    for (size_t i = 0; i < LANE; i++) top[i] = logits[k][i] > top[i] ? logits[k][i] : top[i];
  for (size_t k = 0; k < mixtures; k++)
    for (size_t i = 0; i < LANE; i++) {
      const float l = logits[k][i];
      weight[k][i] = exp_nonpositive(l - top[i]);
      total[i] += weight[k][i] + 0.0f * l; // neither the exponential nor the logarithm hands a NaN on
    }
  for (size_t i = 0; i < LANE; i++) {
    log_total[0][i] = log_f(total[i]) + top[i] + 0.0f * total[i];
    total[i] = 1.0f / total[i];
  }
  for (size_t k = 0; k < mixtures; k++)
    for (size_t i = 0; i < LANE; i++) weight[k][i] *= total[i];
}

// Computes -log P of sixteen pixels, one in each lane. If `slopes` is set, `p` is replaced by its derivatives. The
// loops work on separate local arrays, so that the compiler needs no checks for overlap.
VD_INLINE void mixture_block(block *restrict p, block *restrict y, block *restrict loss, size_t channels,
                             size_t mixtures, int slopes) {
  block joint[MOST_MIXTURES], posterior[MOST_MIXTURES], prior[MOST_MIXTURES], log_joint, log_prior;
  memcpy(joint, p, mixtures * sizeof *p);
  for (size_t k = 0; k < mixtures; k++)
    for (size_t c = 0; c < channels; c++) {
      float *mean = p[means_of(c, mixtures) + k], *scale = p[means_of(c, mixtures) + mixtures + k];
      block m, s, a, dm, ds;
      memcpy(m, mean, sizeof m);
      memcpy(s, scale, sizeof s);
      for (size_t before = 0; before < c; before++) { // on red, then on green
        memcpy(a, p[coefficients_of(c - 1 + before, mixtures) + k], sizeof a);
        for (size_t i = 0; i < LANE; i++) m[i] += tanh_f(a[i]) * y[before][i];
      }
      for (size_t i = 0; i < LANE; i++) joint[k][i] -= logistic_bin(y[c][i], m[i], s[i], &dm[i], &ds[i]);
      if (!slopes) continue;
      memcpy(mean, dm, sizeof dm);
      memcpy(scale, ds, sizeof ds);
    }
  weigh(posterior, joint, &log_joint, mixtures);
  weigh(prior, p, &log_prior, mixtures);
  for (size_t i = 0; i < LANE; i++) loss[0][i] = log_prior[i] - log_joint[i];
  if (!slopes) return;
  for (size_t k = 0; k < mixtures; k++) {
    for (size_t i = 0; i < LANE; i++) p[k][i] = prior[k][i] - posterior[k][i];
    block dm[3];
    for (size_t c = 0; c < channels; c++) {
      float *mean = p[means_of(c, mixtures) + k], *scale = p[means_of(c, mixtures) + mixtures + k];
      for (size_t i = 0; i < LANE; i++) mean[i] *= posterior[k][i];
      for (size_t i = 0; i < LANE; i++) scale[i] *= posterior[k][i];
      memcpy(dm[c], mean, sizeof dm[c]);
    }
    for (size_t c = 1; c < channels; c++)
      for (size_t before = 0; before < c; before++) {
        float *coefficient = p[coefficients_of(c - 1 + before, mixtures) + k];
        for (size_t i = 0; i < LANE; i++) {
          const float t = tanh_f(coefficient[i]);
          coefficient[i] = dm[c][i] * y[before][i] * (1.0f - t * t);
        }
      }
  }
}

// out[i, j] += g p[j][i], using sixteen rows on the stack.
VD_INLINE void add_transposed(float *restrict out, block *restrict p, float g, size_t n, size_t outputs) {
  block tile;
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < outputs; j += LANE) {
      const size_t width = outputs - j < LANE ? outputs - j : LANE;
      for (size_t k = 0; k < width; k++) tile[k] = p[j + k][i];
      for (size_t k = 0; k < width; k++) out[i * outputs + j + k] += g * tile[k];
    }
}

// Processes a sample in blocks of sixteen pixels. Lanes beyond the last pixel contain zeros. Returns the sum of -log P.
VD_INLINE float mixture_row(const float *restrict location, const float *restrict x, float *restrict glocation, float g,
                            size_t pixels, size_t channels, size_t mixtures, int slopes) {
  const size_t outputs = outputs_of(channels, mixtures);
  block p[MOST_OUTPUTS], y[3];
  block loss;
  float sum = 0;
  for (size_t at = 0; at < pixels; at += LANE) {
    const size_t n = pixels - at < LANE ? pixels - at : LANE;
    if (n < LANE) memset(p, 0, sizeof p);
    vd_transpose(p[0], LANE, location + at * outputs, outputs, n, outputs);
    for (size_t c = 0; c < channels; c++)
      for (size_t i = 0; i < LANE; i++) y[c][i] = i < n ? 2.0f * x[(at + i) * channels + c] - 1.0f : 0.0f;
    mixture_block(p, y, &loss, channels, mixtures, slopes);
    if (!slopes) {
      for (size_t i = 0; i < n; i++) sum += loss[i];
      continue;
    }
    add_transposed(glocation + at * outputs, p, g, n, outputs);
  }
  return sum;
}

VD_CLONES void vd_logistic_mixture(float *restrict loss, const float *restrict location, const float *restrict x,
                                   size_t rows, size_t pixels, size_t channels, size_t mixtures) {
  const size_t width = pixels * outputs_of(channels, mixtures);
  for (size_t i = 0; i < rows; i++)
    loss[i] = mixture_row(location + i * width, x + i * pixels * channels, NULL, 0, pixels, channels, mixtures, 0);
}

VD_CLONES void vd_logistic_mixture_backward(float *restrict glocation, const float *restrict g,
                                            const float *restrict location, const float *restrict x, size_t rows,
                                            size_t pixels, size_t channels, size_t mixtures) {
  const size_t width = pixels * outputs_of(channels, mixtures);
  for (size_t i = 0; i < rows; i++)
    mixture_row(location + i * width, x + i * pixels * channels, glocation + i * width, g[i], pixels, channels,
                mixtures, 1);
}

// Computes the mean of sixteen pixels on [-1, 1]. If `slopes` is set, `p` is replaced by its gradient for the gradient
// `g` of the mean.
VD_INLINE void mean_block(block *restrict p, block *restrict y, block *restrict g, size_t channels, size_t mixtures,
                          int slopes) {
  block weight[MOST_MIXTURES], value[MOST_MIXTURES], mean, unused;
  weigh(weight, p, &unused, mixtures);
  memset(y, 0, channels * sizeof *y);
  memset(mean, 0, sizeof mean);
  for (size_t k = 0; k < mixtures; k++) {
    block e[3], dm[3], ds[3], ge[3], t[3][2];
    for (size_t c = 0; c < channels; c++) {
      block m, s, a;
      memcpy(m, p[means_of(c, mixtures) + k], sizeof m);
      memcpy(s, p[means_of(c, mixtures) + mixtures + k], sizeof s);
      for (size_t before = 0; before < c; before++) {
        memcpy(a, p[coefficients_of(c - 1 + before, mixtures) + k], sizeof a);
        for (size_t i = 0; i < LANE; i++) t[c][before][i] = tanh_f(a[i]);
        for (size_t i = 0; i < LANE; i++) m[i] += t[c][before][i] * e[before][i];
      }
      for (size_t i = 0; i < LANE; i++) e[c][i] = clipped_mean(m[i], s[i], &dm[c][i], &ds[c][i]);
      for (size_t i = 0; i < LANE; i++) y[c][i] += weight[k][i] * e[c][i];
    }
    if (!slopes) continue;
    memset(value[k], 0, sizeof value[k]);
    for (size_t c = 0; c < channels; c++)
      for (size_t i = 0; i < LANE; i++) {
        ge[c][i] = weight[k][i] * g[c][i];
        value[k][i] += g[c][i] * e[c][i];
      }
    for (size_t i = 0; i < LANE; i++) mean[i] += weight[k][i] * value[k][i];
    if (channels == 3) memset(p[coefficients_of(0, mixtures) + k], 0, sizeof *p);
    for (size_t c = channels; c-- > 0;) {
      block gm;
      for (size_t i = 0; i < LANE; i++) gm[i] = ge[c][i] * dm[c][i];
      for (size_t i = 0; i < LANE; i++) ds[c][i] *= ge[c][i];
      memcpy(p[means_of(c, mixtures) + k], gm, sizeof gm);
      memcpy(p[means_of(c, mixtures) + mixtures + k], ds[c], sizeof ds[c]);
      for (size_t before = 0; before < c; before++) {
        block gt;
        for (size_t i = 0; i < LANE; i++) {
          const float a = t[c][before][i];
          gt[i] = gm[i] * e[before][i] * (1.0f - a * a);
          ge[before][i] += gm[i] * a;
        }
        memcpy(p[coefficients_of(c - 1 + before, mixtures) + k], gt, sizeof gt);
      }
    }
  }
  if (!slopes) return;
  for (size_t k = 0; k < mixtures; k++)
    for (size_t i = 0; i < LANE; i++) p[k][i] = weight[k][i] * (value[k][i] - mean[i]);
}

// Processes blocks of sixteen pixels: y = mean, or glocation += its gradient for gy.
VD_INLINE void mixture_means(float *restrict y, float *restrict glocation, const float *restrict gy,
                             const float *restrict location, size_t pixels, size_t channels, size_t mixtures,
                             int slopes) {
  const size_t outputs = outputs_of(channels, mixtures);
  block p[MOST_OUTPUTS], e[3], g[3];
  for (size_t at = 0; at < pixels; at += LANE) {
    const size_t n = pixels - at < LANE ? pixels - at : LANE;
    if (n < LANE) memset(p, 0, sizeof p);
    vd_transpose(p[0], LANE, location + at * outputs, outputs, n, outputs);
    if (slopes)
      for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < LANE; i++) g[c][i] = i < n ? 0.5f * gy[(at + i) * channels + c] : 0.0f;
    mean_block(p, e, g, channels, mixtures, slopes);
    if (slopes) {
      add_transposed(glocation + at * outputs, p, 1.0f, n, outputs);
      continue;
    }
    for (size_t i = 0; i < n; i++)
      for (size_t c = 0; c < channels; c++) y[(at + i) * channels + c] = 0.5f + 0.5f * e[c][i];
  }
}

VD_CLONES void vd_logistic_mixture_mean(float *restrict y, const float *restrict location, size_t pixels,
                                        size_t channels, size_t mixtures) {
  mixture_means(y, NULL, NULL, location, pixels, channels, mixtures, 0);
}

VD_CLONES void vd_logistic_mixture_mean_backward(float *restrict glocation, const float *restrict gy,
                                                 const float *restrict location, size_t pixels, size_t channels,
                                                 size_t mixtures) {
  mixture_means(NULL, glocation, gy, location, pixels, channels, mixtures, 1);
}

VD_CLONES void vd_logistic_mixture_sample(float *restrict x, const float *restrict location,
                                          const float *restrict uniforms, size_t pixels, size_t channels,
                                          size_t mixtures) {
  for (size_t i = 0; i < pixels; i++) {
    const float *p = location + i * outputs_of(channels, mixtures), *u = uniforms + i * (1 + channels);
    float weight[MOST_MIXTURES], top = p[0], total = 0, below = 0, y[3];
    for (size_t j = 1; j < mixtures; j++) top = p[j] > top ? p[j] : top;
    for (size_t j = 0; j < mixtures; j++) total += weight[j] = exp_nonpositive(p[j] - top);
    size_t k = 0;
    while (k + 1 < mixtures && (below += weight[k]) <= u[0] * total) k++;
    for (size_t c = 0; c < channels; c++) {
      const float *at = p + means_of(c, mixtures) + k;
      float m = at[0];
      if (c > 0) m += tanh_f(p[coefficients_of(c - 1, mixtures) + k]) * y[0];
      if (c > 1) m += tanh_f(p[coefficients_of(2, mixtures) + k]) * y[1];
      const float level = logistic_level(m, at[mixtures], u[1 + c]);
      y[c] = level * (2.0f / 255.0f) - 1.0f;
      x[i * channels + c] = level * (1.0f / 255.0f);
    }
  }
}
