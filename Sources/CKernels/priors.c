// Building blocks of priors over z: Gaussian densities, and the affine couplings of a flow.
#include "likelihood_math.h"

VD_CLONES void vd_log_normal(float *restrict density, const float *restrict z, const float *restrict mu,
                             const float *restrict logvar, size_t n) {
  if (mu)
    for (size_t i = 0; i < n; i++) {
      const float d = z[i] - mu[i];
      density[i] = -0.5f * (logvar[i] + d * d * exp_f(-logvar[i])) - HALF_LOG_2PI;
    }
  else
    for (size_t i = 0; i < n; i++) density[i] = -0.5f * z[i] * z[i] - HALF_LOG_2PI;
}

VD_CLONES void vd_log_normal_backward(float *gz, float *gmu, float *glogvar, const float *g, const float *z,
                                      const float *mu, const float *logvar, size_t n) {
  if (!mu) {
    if (gz)
      for (size_t i = 0; i < n; i++) gz[i] -= g[i] * z[i];
    return;
  }
  if (gz)
    for (size_t i = 0; i < n; i++) gz[i] -= g[i] * (z[i] - mu[i]) * exp_f(-logvar[i]);
  if (gmu)
    for (size_t i = 0; i < n; i++) gmu[i] += g[i] * (z[i] - mu[i]) * exp_f(-logvar[i]);
  if (glogvar)
    for (size_t i = 0; i < n; i++) {
      const float d = z[i] - mu[i];
      glogvar[i] += 0.5f * g[i] * (d * d * exp_f(-logvar[i]) - 1.0f);
    }
}

// Columns that are not changed are copied. raw (rows, 2 * width) contains the numbers for the scales and then the
// shifts.
VD_CLONES void vd_coupling(float *restrict y, float *restrict log_scale, const float *restrict z,
                           const float *restrict raw, const int32_t *restrict changed, size_t rows, size_t columns,
                           size_t width, float bound, int32_t inverse) {
  memcpy(y, z, rows * columns * sizeof *y);
  memset(log_scale, 0, rows * columns * sizeof *log_scale);
  for (size_t i = 0; i < rows; i++) {
    const float *s = raw + i * 2 * width, *t = s + width;
    for (size_t j = 0; j < width; j++) {
      const float scale = bound * tanh_f(s[j] / bound);
      const size_t at = i * columns + (size_t)changed[j];
      y[at] = inverse ? (z[at] - t[j]) * exp_f(-scale) : z[at] * exp_f(scale) + t[j];
      log_scale[at] = inverse ? -scale : scale;
    }
  }
}

VD_CLONES void vd_coupling_backward(float *gz, float *graw, const float *gy, const float *glog_scale, const float *z,
                                    const float *y, const float *raw, const int32_t *changed, size_t rows,
                                    size_t columns, size_t width, float bound, int32_t inverse) {
  for (size_t i = 0; i < rows; i++) {
    const float *s = raw + i * 2 * width;
    if (gz && gy)
      for (size_t j = 0; j < columns; j++) gz[i * columns + j] += gy[i * columns + j];
    for (size_t j = 0; j < width; j++) {
      const float tangent = tanh_f(s[j] / bound), scale = bound * tangent;
      const size_t at = i * columns + (size_t)changed[j];
      const float g = gy ? gy[at] : 0.0f, gl = glog_scale ? glog_scale[at] : 0.0f;
      const float factor = exp_f(inverse ? -scale : scale);
      if (graw) {
        // d y / d scale is z exp(scale) in the forward direction and -y in the inverse direction.
        const float gscale = inverse ? -g * y[at] - gl : g * z[at] * factor + gl;
        graw[i * 2 * width + j] += gscale * (1.0f - tangent * tangent);
        graw[i * 2 * width + width + j] += inverse ? -g * factor : g;
      }
      if (gz) gz[at] += g * (factor - 1.0f); // g is there already
    }
  }
}

VD_CLONES void vd_select_columns(float *restrict y, const float *restrict x, const int32_t *restrict chosen,
                                 size_t rows, size_t columns, size_t width) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < width; j++) y[i * width + j] = x[i * columns + (size_t)chosen[j]];
}

VD_CLONES void vd_select_columns_backward(float *restrict gx, const float *restrict gy,
                                          const int32_t *restrict chosen, size_t rows, size_t columns, size_t width) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < width; j++) gx[i * columns + (size_t)chosen[j]] += gy[i * width + j];
}
