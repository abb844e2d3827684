// Loops over elements that must be vectorised. Every function is built for several CPU levels and the best one the
// machine has is picked when the program loads (target_clones). Sizes are element counts; matrices are row-major.
#pragma once
#include <stddef.h>
#include <stdint.h>

// ---- which clone runs -------------------------------------------------------------------------------------------
// 4, 3, 2: x86-64-v4 (AVX-512), v3 (AVX2 and FMA), v2 or less; 0 on other architectures.
int vd_cpu_level(void);

// ---- memory.c ---------------------------------------------------------------------------------------------------
// Lets malloc keep large freed blocks: oneDNN takes packing buffers at every product, and by default each would be
// mapped, cleared page by page and given back to the system.
void vd_keep_freed_memory(void);

// Announces a file's mapping: a read of a page that the file no longer has ends the process with a message that names
// it and status 74, instead of SIGBUS. One thread opens and closes files.
void vd_mapping_watch(const void *base, size_t size, int32_t descriptor, const char *name);
void vd_mapping_forget(const void *base);

// ---- elementwise.c: passes over memory --------------------------------------------------------------------------
// y[i] = x[i] * scale + offset, from bytes.
void vd_u8_to_f32(float *y, const uint8_t *x, size_t n, float scale, float offset);
// The largest byte.
uint8_t vd_u8_max(const uint8_t *x, size_t n);
// x[i] = (x[i] - offset[i]) * scale[i]
void vd_standardize(float *x, const float *offset, const float *scale, size_t n);
// y[i] += x[i]
void vd_add(float *y, const float *x, size_t n);
// y[i] += a * x[i]
void vd_axpy(float *y, float a, const float *x, size_t n);
// y[i] += a[i] * b[i]
void vd_multiply_add(float *y, const float *a, const float *b, size_t n);
// uniforms[i] becomes the factor 0 (where it is below p) or 1 / (1 - p); y[i] = x[i] * factor.
void vd_dropout(float *y, float *uniforms, const float *x, size_t n, float p);
// x[i] becomes 1 where uniforms[i] < x[i], 0 elsewhere: a Bernoulli draw with mean x[i].
void vd_binarize(float *x, const float *uniforms, size_t n);
// Sum of x[i]^2 in a fixed order of lanes, the same on every CPU level up to rounding of fused multiply-adds.
double vd_sum_of_squares(const float *x, size_t n);
// bfloat16, the upper half of a float32: rounded to nearest even (a NaN stays one), and back.
void vd_f32_to_bf16(uint16_t *y, const float *x, size_t n);
void vd_bf16_to_f32(float *y, const uint16_t *x, size_t n);
// 1 when every x[i] is finite.
int vd_all_finite(const float *x, size_t n);
// Smallest and largest element; a NaN gives NaN for both.
void vd_range(const float *x, size_t n, float *low, float *high);
// bias_gradient[j] += sum_i g[i, j]
void vd_column_sums(float *bias_gradient, const float *g, size_t rows, size_t columns);
// y[i] = sum_j x[i, j]
void vd_row_sums(float *y, const float *x, size_t rows, size_t columns);
// gx[i, j] += gy[i]
void vd_row_sums_backward(float *gx, const float *gy, size_t rows, size_t columns);
// y[i, at + j] = x[i, j] for x of `columns` columns in y of `total` columns; and the gradient's way back.
void vd_copy_columns(float *y, const float *x, size_t rows, size_t columns, size_t total, size_t at);
void vd_copy_columns_backward(float *gx, const float *gy, size_t rows, size_t columns, size_t total, size_t at);
// total[0] += sum_i w[i] * x[i], and per column total[j] += sum_i w[i] * x[i, j] (and of squares), in float64.
double vd_weighted_sum(const float *x, const float *w, size_t n);
void vd_weighted_column_sums(double *total, double *squares, const float *x, const float *w, size_t rows, size_t columns);

// ---- activation.c -----------------------------------------------------------------------------------------------
enum {
  VD_IDENTITY = 0, VD_RELU, VD_LEAKY_RELU, VD_ELU, VD_TANH, VD_SIGMOID, VD_SOFTPLUS,
  VD_SILU, VD_GELU // these two need the value before the activation
};
// g[i, j] becomes 0 where y[i, j] is not positive, and total[j] += sum_i g[i, j] (total may be null): the way back
// through bias and relu in one pass.
void vd_relu_backward_sums(float *g, const float *y, float *total, size_t rows, size_t columns);
// y[i, j] = f(y[i, j] + bias[j]); bias may be null. With `before`, that value is kept there.
void vd_bias_activation(float *y, float *before, const float *bias, size_t rows, size_t columns, int f);
// g[i] *= f'(.), from the output y, or from `before` for SILU and GELU.
void vd_activation_backward(float *g, const float *y, const float *before, size_t n, int f);
// y = clamp(x); gx += gy where low <= x <= high, as torch.clamp.
void vd_clamp(float *y, const float *x, size_t n, float low, float high);
void vd_clamp_backward(float *gx, const float *gy, const float *x, size_t n, float low, float high);
// y = max(floor, x); gx += gy where x > floor (free bits).
void vd_floor(float *y, const float *x, size_t n, float floor);
void vd_floor_backward(float *gx, const float *gy, const float *x, size_t n, float floor);
// y[i] = exp(x[i]), y[i] = 1 / (1 + exp(-x[i]))
void vd_exp(float *y, const float *x, size_t n);
void vd_sigmoid(float *y, const float *x, size_t n);

// ---- convolution.c: direct convolutions, (sample, row, column, channel) -------------------------------------------
// A run of `count` values of the large image at `at`, met by as many rows of the weights from `row` on.
typedef struct { int32_t at, row, count; } vd_segment;
// What every pixel of a sample sees: segments start[i] ..< start[i + 1].
typedef struct { const int32_t *start; const vd_segment *segments; size_t positions; } vd_conv_table;
// `count` rows of the weights from `row` on: where in a sample the values that meet them begin, in the large image (x)
// and in the small (g), and how many rows and columns of the small image see them.
typedef struct { int32_t row, count, x, g, rows, columns; } vd_box;
typedef struct { size_t x_sample, x_row, x_column, g_sample, g_row, g_column; } vd_box_strides;
// Vectors are loaded whole: weights, bias and g are followed by 64 readable bytes.
//
// y[n, i, c] = bias or 0, or for VD_CONV_ADD y itself, + sum over segments of pixel i of x[n, at + k] w[row + k, c]; for
// VD_CONV_RELU the positive part of that.
enum { VD_CONV_SET = 0, VD_CONV_ADD, VD_CONV_RELU };
void vd_conv_gather(float *y, size_t y_sample, size_t y_pixel, const float *x, size_t x_sample, const float *w,
                    size_t w_pitch, const float *bias, int mode, size_t channels, size_t samples,
                    const vd_conv_table *table);
// The adjoint, for images of few channels: y[n, at + k] += sum_d x[n, i, d] w[d, row + k]. w (depth, columns);
// `patches` has room for 8 columns.
void vd_conv_scatter(float *y, size_t y_sample, const float *x, size_t x_sample, size_t x_pixel, size_t depth,
                     const float *w, size_t columns, float *patches, size_t samples, const vd_conv_table *table);
// d[row + k, c] += sum over samples and over the pixels of a box of x[.. + k] g[.. + c], `block` samples at a time.
void vd_conv_outer(float *d, size_t d_pitch, const float *x, const float *g, size_t channels, size_t samples,
                   size_t block, const vd_box *boxes, size_t count, const vd_box_strides *stride);
// y[j, i] = x[i, j]; rows of each lie a pitch apart.
void vd_transpose(float *y, size_t y_pitch, const float *x, size_t x_pitch, size_t rows, size_t columns);
// y[i, j] = row[j]
void vd_fill_rows(float *y, const float *row, size_t rows, size_t columns);
// For tests: this thread's convolutions run at a level of vd_cpu_level, 2 to 4, or at the machine's again (0). Refused,
// with 0, where the CPU has not as much.
int vd_conv_choose_level(int cpu_level);

// ---- normalization.c: (sample, pixel, channel), eps inside the root as torch.nn -----------------------------------
// Floats of `work`.
size_t vd_group_norm_work(size_t channels);
// y = f((x - mean) / deviation * weight[c] + bias[c]) over the pixels and the channels of a group of a sample;
// statistics keeps (mean, 1 / deviation) of each. Vectors are loaded whole: x and gy are followed by 64 readable bytes.
void vd_group_norm(float *y, float *statistics, float *work, const float *x, const float *weight, const float *bias,
                   size_t samples, size_t pixels, size_t channels, size_t groups, float epsilon, int f);
// gy becomes the gradient before f; gx = (accumulate ? gx : 0) + ...; gweight and gbias are added to. Null: not wanted.
void vd_group_norm_backward(float *gx, float *gweight, float *gbias, float *gy, float *work, const float *y,
                            const float *statistics, const float *x, const float *weight, const float *bias,
                            size_t samples, size_t pixels, size_t channels, size_t groups, int accumulate, int f);
// The same over the columns of a row, without f.
void vd_layer_norm(float *y, float *statistics, const float *x, const float *weight, const float *bias, size_t rows,
                   size_t columns, float epsilon);
void vd_layer_norm_backward(float *gx, float *gweight, float *gbias, const float *gy, const float *statistics,
                            const float *x, const float *weight, size_t rows, size_t columns, int accumulate);

// ---- resampling.c: (sample, row, column, channel); rows are those of all samples ----------------------------------
// y[r, c] = x[r / factor, c / factor] for every pixel; gx = (accumulate ? gx : 0) + sums over the copies.
void vd_upsample(float *y, const float *x, size_t rows, size_t columns, size_t channels, size_t factor);
void vd_upsample_backward(float *gx, const float *gy, size_t rows, size_t columns, size_t channels, size_t factor,
                          int accumulate);
// y[r factor + i, c factor + j, k] = x[r, c, (k factor + i) factor + j] for `channels` k, as torch.nn.PixelShuffle.
void vd_pixel_shuffle(float *y, const float *x, size_t rows, size_t columns, size_t channels, size_t factor);
void vd_pixel_shuffle_backward(float *gx, const float *gy, size_t rows, size_t columns, size_t channels,
                               size_t factor, int accumulate);
// Means over windows; padding is at most half the kernel, so that every window holds a pixel. With counts_padding a
// zero around the image counts as a value.
typedef struct {
  size_t rows, columns, channels, to_rows, to_columns, kernel, stride, padding;
  int counts_padding;
} vd_pool;
void vd_average_pool(float *y, const float *x, size_t samples, const vd_pool *pool);
void vd_average_pool_backward(float *gx, const float *gy, size_t samples, const vd_pool *pool); // gx +=

// ---- distributions.c: fused densities, one value per sample -----------------------------------------------------
// loss[i] = sum_j max(l, 0) - l x + log1p(exp(-|l|)); residual[i, j] = sigmoid(l) - x, the gradient for loss[i].
void vd_bernoulli(float *loss, float *residual, const float *logits, const float *x, size_t rows, size_t columns);
// gx[i, j] += g[i] * residual[i, j]
void vd_scale_rows_add(float *gx, const float *g, const float *residual, size_t rows, size_t columns);
// loss[i] = sum_j (x - mean)^2 / (2 exp(2 s)) + s + log(2 pi) / 2, one s = log sigma for all.
void vd_gaussian(float *loss, const float *mean, const float *x, float log_sigma, size_t rows, size_t columns);
// gmean += g[i] (mean - x) / sigma^2; returns sum_i g[i] * d loss[i] / d log_sigma.
double vd_gaussian_backward(float *gmean, const float *g, const float *mean, const float *x, float log_sigma,
                            size_t rows, size_t columns);
// y[i] = sum_j (x - mean)^2, of the x that are numbers: a missing value has no error.
void vd_squared_distances(float *y, const float *x, const float *mean, size_t rows, size_t columns);
// kl = (exp(lv) + mu^2 - 1 - lv) / 2 per element, in nats; glv += g (exp(lv) - 1) / 2 (and gmu += g mu is a product).
void vd_gaussian_kl(float *kl, const float *mu, const float *logvar, size_t n);
void vd_gaussian_kl_backward(float *glogvar, const float *g, const float *logvar, size_t n);
// KL of N(mu, exp(logvar)) from N(m, exp(lv)) per element, in nats. Any gradient may be absent.
void vd_gaussian_divergence(float *kl, const float *mu, const float *logvar, const float *m, const float *lv, size_t n);
void vd_gaussian_divergence_backward(float *gmu, float *glogvar, float *gm, float *glv, const float *g, const float *mu,
                                     const float *logvar, const float *m, const float *lv, size_t n);
// log N(z; mu, exp(logvar)) per element; without mu and logvar, of N(0, 1). Any gradient may be absent.
void vd_log_normal(float *density, const float *z, const float *mu, const float *logvar, size_t n);
void vd_log_normal_backward(float *gz, float *gmu, float *glogvar, const float *g, const float *z, const float *mu,
                            const float *logvar, size_t n);
// Columns changed[0..width) of y = z * exp(s) + t, or of the inverse (z - t) * exp(-s); the others are z's. raw (rows,
// 2 * width) has a, with s = bound * tanh(a / bound), then t. log_scale = log |dy/dz|, (rows, columns). Any gradient may
// be absent.
void vd_coupling(float *y, float *log_scale, const float *z, const float *raw, const int32_t *changed, size_t rows,
                 size_t columns, size_t width, float bound, int32_t inverse);
void vd_coupling_backward(float *gz, float *graw, const float *gy, const float *glog_scale, const float *z,
                          const float *y, const float *raw, const int32_t *changed, size_t rows, size_t columns,
                          size_t width, float bound, int32_t inverse);
// y[i, j] = x[i, chosen[j]]; gx[i, chosen[j]] += gy[i, j].
void vd_select_columns(float *y, const float *x, const int32_t *chosen, size_t rows, size_t columns, size_t width);
void vd_select_columns_backward(float *gx, const float *gy, const int32_t *chosen, size_t rows, size_t columns,
                                size_t width);
// z = mu + scale * exp(lv / 2) * eps; deviation keeps scale * exp(lv / 2) * eps; glv += gz deviation / 2.
void vd_reparameterize(float *z, float *deviation, const float *mu, const float *logvar, const float *eps, float scale,
                       size_t n);
void vd_reparameterize_backward(float *glogvar, const float *gz, const float *deviation, size_t n);

// ---- likelihoods.c: one value of the location, or a pair, for each value of x ---------------------------------------
enum {
  VD_BERNOULLI = 0, VD_CONTINUOUS_BERNOULLI, VD_GAUSSIAN, VD_LAPLACE, // one value
  VD_GAUSSIAN_PIXEL, VD_DISCRETIZED_LOGISTIC                          // (mean, logarithm of the scale)
};
// loss[i] = -log p(x[i]), and residual, of the location's shape: the gradient for loss[i]. Continuous Bernoulli
// (Loaiza-Ganem and Cunningham, 2019); Gaussian with a sigma each, softly above exp(-6); Gaussian with the sigma that
// suits the sample best, exp(-12) + mean square; logistic in 256 bins, its location on [-1, 1].
void vd_continuous_bernoulli(float *loss, float *residual, const float *logits, const float *x, size_t rows,
                             size_t columns);
void vd_gaussian_pixel(float *loss, float *residual, const float *location, const float *x, size_t rows,
                       size_t columns);
void vd_gaussian_optimal(float *loss, float *residual, const float *mean, const float *x, size_t rows, size_t columns);
void vd_discretized_logistic(float *loss, float *residual, const float *location, const float *x, size_t rows,
                             size_t columns);
// loss[i] = sum_j |x - mean| / b + log(2 b), one b = exp(log_scale) for all; its gradient as vd_gaussian_backward's.
void vd_laplace(float *loss, const float *mean, const float *x, float log_scale, size_t rows, size_t columns);
double vd_laplace_backward(float *gmean, const float *g, const float *mean, const float *x, float log_scale,
                           size_t rows, size_t columns);
// y[j] = E[x[j]] for n values, and the gradient's way back; the logistic's is clipped to [0, 1], not rounded.
void vd_likelihood_mean(float *y, const float *location, size_t n, int kind);
void vd_likelihood_mean_backward(float *glocation, const float *gy, const float *location, size_t n, int kind);
// x[j] ~ p, from standard normals for the Gaussians and uniforms for the rest; log_scale where one is shared.
void vd_likelihood_sample(float *x, const float *location, const float *noise, float log_scale, size_t n, int kind);
// 1 when every x[j] is a multiple of 1 / 255 in [0, 1], to a hundredth of a step.
int vd_all_levels(const float *x, size_t n);

// ---- table.c: rows of a table ---------------------------------------------------------------------------------------
// Column g has sizes[g] elements: one is a number, more are a category, of which one is 1; NaN in x is a missing value.
// loss[i] = sum over columns with a value: Gaussian with a sigma of its own, log sigma softly above floor
// (-infinity: any); softmax.
// raw: the logarithms before the floor, of number k at step * k; sigma: (numbers, 3), left for the gradient.
void vd_table(float *loss, float *sigma, const float *location, const float *x, const float *raw, size_t step,
              float floor, const int32_t *sizes, size_t groups, size_t rows, size_t columns);
// Adds to glocation and graw, either of them NULL where it is not wanted.
void vd_table_backward(float *glocation, float *graw, size_t step, const float *g, const float *sigma,
                       const float *location, const float *x, const int32_t *sizes, size_t groups, size_t rows, size_t columns);
// Numbers as they are, categories as probabilities.
void vd_table_mean(float *y, const float *location, const int32_t *sizes, size_t groups, size_t rows, size_t columns);
void vd_table_mean_backward(float *glocation, const float *gy, const float *y, const int32_t *sizes, size_t groups,
                            size_t rows, size_t columns);
// normals (rows, columns), uniforms (rows, groups)
void vd_table_sample(float *x, const float *location, const float *raw, size_t step, float floor,
                     const float *normals, const float *uniforms, const int32_t *sizes, size_t groups, size_t rows, size_t columns);
// y = x with 0 for NaN, and may be x; mask, unless NULL: 1 where there was a value.
void vd_observed(float *y, float *mask, const float *x, size_t n);

// ---- mixture.c: mixtures of discretised logistics, 1 or 3 channels, at most 32 mixtures -----------------------------
// Of a pixel, M logits, then for each channel M means, log scales and (3 channels) coefficients before tanh.
void vd_logistic_mixture(float *loss, const float *location, const float *x, size_t rows, size_t pixels,
                         size_t channels, size_t mixtures);
// glocation += g[i] d loss[i] / d location
void vd_logistic_mixture_backward(float *glocation, const float *g, const float *location, const float *x, size_t rows,
                                  size_t pixels, size_t channels, size_t mixtures);
// The mixture's mean, a channel's location taken at the means of those before it; (pixels, channels), any number.
void vd_logistic_mixture_mean(float *y, const float *location, size_t pixels, size_t channels, size_t mixtures);
void vd_logistic_mixture_mean_backward(float *glocation, const float *gy, const float *location, size_t pixels,
                                       size_t channels, size_t mixtures);
// From 1 + channels uniforms a pixel.
void vd_logistic_mixture_sample(float *x, const float *location, const float *uniforms, size_t pixels, size_t channels,
                                size_t mixtures);

// ---- similarity.c: multi-scale structural similarity ----------------------------------------------------------------
// Scales that an image has room for, 1 to 5: the smallest is no smaller than the window of 11, if there are several.
size_t vd_similarity_scales(size_t rows, size_t columns);
// Floats of the workspace.
size_t vd_similarity_workspace(size_t rows, size_t columns);
// loss[i] = 1 - similarity of x[i] and y[i], mean over channels; gy += g[i] d loss[i] / d y.
void vd_dissimilarity(float *loss, const float *x, const float *y, float *work, size_t samples, size_t rows,
                      size_t columns, size_t channels);
void vd_dissimilarity_backward(float *gy, const float *g, const float *x, const float *y, float *work, size_t samples,
                               size_t rows, size_t columns, size_t channels);

// ---- aggregate.c: samples of a microbatch compared with each other --------------------------------------------------
// tc[i] = log (1/rows) sum_k prod_j r_kj, r_kj = q(z_ij | x_k) over its mean over k: total correlation of the posteriors
// N(mu_k, exp(logvar_k)), each row of z once. weights (rows, rows) and marginals (rows, columns) are kept for backward;
// work has room for (rows + 2) columns. Gradients may be null.
void vd_total_correlation(float *tc, float *weights, float *marginals, float *work, const float *z, const float *mu,
                          const float *logvar, size_t rows, size_t columns);
void vd_total_correlation_backward(float *gz, float *gmu, float *glogvar, const float *g, const float *weights,
                                   const float *marginals, float *work, const float *z, const float *mu,
                                   const float *logvar, size_t rows, size_t columns);
// Mean of loss[i]: the unbiased estimate of MMD^2 between z (2 rows or more) and N(0, I) with the kernel
// exp(-|a - b|^2 / columns), the prior's side in closed form. pairs (rows, rows) and prior (rows) are kept for backward.
void vd_prior_discrepancy(float *loss, float *pairs, float *prior, const float *z, size_t rows, size_t columns);
void vd_prior_discrepancy_backward(float *gz, const float *g, const float *pairs, const float *prior, const float *z,
                                   size_t rows, size_t columns);

// ---- random.c: Philox4x32-10 (Salmon et al., SC'11), the same bits on every CPU -----------------------------------
void vd_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
// Row i draws `columns` values from counters (block, epoch, index[i] low, index[i] high): standard normals,
// (Box-Muller, own logarithm and sine), or uniforms in (0, 1).
void vd_normal(float *y, const uint64_t *index, size_t rows, size_t columns, uint32_t epoch, const uint32_t key[2]);
void vd_uniform(float *y, const uint64_t *index, size_t rows, size_t columns, uint32_t epoch, const uint32_t key[2]);

// ---- picture.c: pixels, (row, column, channel) ---------------------------------------------------------------------
// y[i, c] = x[c, i]: colour planes of bytes become pixels.
void vd_interleave(float *y, const uint8_t *x, size_t pixels, size_t channels);
// The picture moved, and mirrored left to right where asked; what comes in at an edge is the edge again.
void vd_move_picture(float *y, const float *x, size_t rows, size_t columns, size_t channels, ptrdiff_t down,
                     ptrdiff_t right, int mirrored);
// What a pixel of a resized axis is made of: `count` weights at first[i] and after, in 1 / 2^22; zeros stand last.
typedef struct { const int32_t *first, *weights; size_t count; } vd_taps;
// Rows of `width` bytes, `pitch` apart, become `rows` rows; `sums` has room for `width`.
void vd_resize_rows(uint8_t *y, const uint8_t *x, size_t pitch, size_t width, size_t rows, const vd_taps *taps,
                    int32_t *sums);
// Columns of each row of `width` bytes become `columns`.
void vd_resize_columns(uint8_t *y, const uint8_t *x, size_t width, size_t rows, size_t columns, size_t channels,
                       const vd_taps *taps);

// ---- optimizer.c --------------------------------------------------------------------------------------------------
// Adam with decoupled (AdamW) or L2 weight decay, gradient scaled by `scale` (clipping), as torch.optim:
// m, v moments; step = lr / (1 - beta1^t); root = 1 / sqrt(1 - beta2^t); keep = 1 - lr * decoupled decay. rest1 and
// rest2 are 1 - beta1 and 1 - beta2, rounded once: 1.0f - 0.999f is 5e-5 off, and the bias correction would not cancel
// it.
typedef struct {
  float scale, rest1, beta2, rest2, epsilon, step, root, keep, l2, average;
} vd_adam_settings;
void vd_adam(float *p, float *m, float *v, const float *g, size_t n, const vd_adam_settings *settings);
// The same, and a += average (p - a) of the new p: an exponential moving average.
void vd_adam_averaged(float *p, float *m, float *v, float *a, const float *g, size_t n,
                      const vd_adam_settings *settings);
