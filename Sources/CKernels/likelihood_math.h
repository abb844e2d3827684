// Elementwise functions that several likelihoods share.
#pragma once
#include "common.h"

// log(2 pi) / 2
static const float HALF_LOG_2PI = 0.918938533f;

// log((1 - exp(-a)) / a) for a >= 0, which is the logarithm of the mean of exp(-t) over [0, a], and its slope. Below 1
// it is computed by the series of log(sinh(a / 2) / (a / 2)) - a / 2, because the difference would lose precision.
VD_INLINE float log_mean_exp(float a, float *slope) {
  float z = a * a;
  float p = 2.087675699e-9f, d = 2.087675699e-8f;
  p = p * z - 1.033399471e-7f, d = d * z - 8.267195767e-7f;
  p = p * z + 5.511463845e-6f, d = d * z + 3.306878307e-5f;
  p = p * z - 3.472222222e-4f, d = d * z - 1.388888889e-3f;
  p = p * z + 4.166666667e-2f, d = d * z + 8.333333333e-2f;
  float e = exp_nonpositive(-a), m = 1.0f - e, r = 1.0f / (m * a);
  *slope = a < 1.0f ? d * a - 0.5f : (e * a - m) * r;
  return a < 1.0f ? p * z - 0.5f * a : log_f(m * m * r);
}

// A lower limit with a nonzero slope: low + log(1 + exp(x - low)) (Rybkin et al., 2021).
VD_INLINE float soft_floor(float x, float low, float *slope) {
  float y;
  *slope = sigmoid_softplus(x - low, &y);
  return low + y;
}

static const float LOWEST_LOG_SIGMA = -6.0f; // of a Gaussian with a sigma for each value
static const float LOWEST_LOG_SCALE = -7.0f; // of a discretised logistic (PixelCNN++)

// Discretised logistics are defined on [-1, 1], as in the papers. The 256 bins are 2 / 255 wide, and the outer two
// include the tails.
static const float HALF_BIN = 1.0f / 255.0f;
static const float LOG_BIN = -4.84811636f; // log(2 / 255)

VD_INLINE float log_scale_of(float raw) { return raw < LOWEST_LOG_SCALE ? LOWEST_LOG_SCALE : raw; }

// -log P(y) and its slopes. With a, b = (y - m +- 1 / 255) / s and w = a - b, the probability of an inner bin is
// sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(-w)). The product avoids the difference of nearly equal
// numbers.
VD_INLINE float logistic_bin(float y, float m, float raw, float *slope_mean, float *slope_scale) {
  const float s = log_scale_of(raw), inverse = exp_f(-s), w = 2.0f * HALF_BIN * inverse;
  const float a = (y - m + HALF_BIN) * inverse, b = (y - m - HALF_BIN) * inverse;
  float above, below, slope;
  float sa = sigmoid_softplus(-a, &above), sb = sigmoid_softplus(b, &below);
  const float inside = s - LOG_BIN - log_mean_exp(w, &slope), inside_slope = 1.0f + w * slope;
  const int first = y < -0.998f, last = y > 0.998f;
  sa = last ? 0.0f : sa, above = last ? 0.0f : above;
  sb = first ? 0.0f : sb, below = first ? 0.0f : below;
  *slope_mean = inverse * (sa - sb);
  float ds = sa * a - sb * b + (first || last ? 0.0f : inside_slope);
  *slope_scale = raw < LOWEST_LOG_SCALE ? 0.0f : ds;
  // The added term keeps a NaN, which the selections above would hide.
  return above + below + (first || last ? 0.0f : inside) + 0.0f * (m + raw);
}

// The mean of a logistic clipped to [-1, 1], and its slopes: -1 + s (softplus((m + 1) / s) - softplus((m - 1) / s)).
VD_INLINE float clipped_mean(float m, float raw, float *slope_mean, float *slope_scale) {
  const float log_scale = log_scale_of(raw), inverse = exp_f(-log_scale), s = exp_f(log_scale);
  const float a = (m + 1.0f) * inverse, b = (m - 1.0f) * inverse;
  float over, under, sa = sigmoid_softplus(a, &over), sb = sigmoid_softplus(b, &under);
  // For a wide logistic the differences lose precision. The integral of the sigmoid from b to a is then computed by the
  // trapezoid rule and the next terms of its series.
  const int wide = s > 16.0f;
  const float p = 0.5f * (sa + sb), q = p * (1.0f - p), square = inverse * inverse;
  const float rest = 0.66666667f * square * q * (2.0f * p - 1.0f);
  const float wide_slope = 2.0f * inverse * q * (1.0f + square * (q - 0.33333333f));
  const float ds = wide ? rest - m * wide_slope : s * ((over - under) - (a * sa - b * sb));
  *slope_mean = wide ? wide_slope : sa - sb;
  *slope_scale = raw < LOWEST_LOG_SCALE ? 0.0f : ds;
  float y = wide ? sa + sb - 1.0f + rest : s * (over - under) - 1.0f;
  y = y > 1.0f ? 1.0f : y;
  return (y < -1.0f ? -1.0f : y) + 0.0f * (m + raw);
}

// Draws a level from 0 to 255 of the discretised logistic on [-1, 1], using a uniform number.
VD_INLINE float logistic_level(float m, float raw, float u) {
  float level = (m + exp_f(log_scale_of(raw)) * (log_f(u) - log_f(1.0f - u)) + 1.0f) * 127.5f + 0.5f;
  level = level < 0.0f ? 0.0f : level;
  return __builtin_floorf(level > 255.0f ? 255.0f : level);
}
