// Elementwise loops and other kernels that must be vectorised. Every function is compiled for several CPU levels, and
// the loader selects the best level of the machine (target_clones). Sizes are numbers of elements. Matrices are
// row-major.
#pragma once
#include <stddef.h>
#include <stdint.h>

// ---- CPU level --------------------------------------------------------------------------------------------------
// Returns the CPU level: 4 for x86-64-v4 (AVX-512), 3 for v3 (AVX2 and FMA), 2 for v2 or less, 0 for other
// architectures.
int vd_cpu_level(void);

// ---- memory.c ---------------------------------------------------------------------------------------------------
// Makes malloc keep large freed blocks. oneDNN allocates packing buffers for every product. By default each buffer
// would be mapped, cleared page by page, and returned to the system.
void vd_keep_freed_memory(void);

// Registers the mapping of a file. If a page is read that the file no longer has, the process then ends with status 74
// and a message that names the file, instead of with SIGBUS. Only one thread may open and close files.
void vd_mapping_watch(const void *base, size_t size, int32_t descriptor, const char *name);
void vd_mapping_forget(const void *base);

// ---- elementwise.c: passes over memory --------------------------------------------------------------------------
// y[i] = x[i] * scale + offset, for bytes x.
void vd_u8_to_f32(float *y, const uint8_t *x, size_t n, float scale, float offset);
// Returns the largest byte.
uint8_t vd_u8_max(const uint8_t *x, size_t n);
// x[i] = (x[i] - offset[i]) * scale[i]
void vd_standardize(float *x, const float *offset, const float *scale, size_t n);
// y[i] += x[i]
void vd_add(float *y, const float *x, size_t n);
// y[i] += a * x[i]
void vd_axpy(float *y, float a, const float *x, size_t n);
// y[i] += a[i] * b[i]
void vd_multiply_add(float *y, const float *a, const float *b, size_t n);
// Replaces uniforms[i] by the factor 0 (if it is below p) or 1 / (1 - p), and sets y[i] = x[i] * factor.
void vd_dropout(float *y, float *uniforms, const float *x, size_t n, float p);
// Sets x[i] to 1 if uniforms[i] < x[i] and to 0 otherwise. This is a Bernoulli draw with mean x[i].
void vd_binarize(float *x, const float *uniforms, size_t n);
// Returns the sum of x[i]^2. The order of summation is fixed. It is the same on every CPU level, up to the rounding of
// fused multiply-adds.
double vd_sum_of_squares(const float *x, size_t n);
// Converts between float32 and bfloat16, which is the upper half of a float32. Rounds to nearest even; a NaN stays a
// NaN.
void vd_f32_to_bf16(uint16_t *y, const float *x, size_t n);
void vd_bf16_to_f32(float *y, const uint16_t *x, size_t n);
// Returns 1 if every x[i] is finite.
int vd_all_finite(const float *x, size_t n);
// Computes the smallest and the largest element. If x contains a NaN, both are NaN.
void vd_range(const float *x, size_t n, float *low, float *high);
// bias_gradient[j] += sum_i g[i, j]
void vd_column_sums(float *bias_gradient, const float *g, size_t rows, size_t columns);
// y[i] = sum_j x[i, j]
void vd_row_sums(float *y, const float *x, size_t rows, size_t columns);
// gx[i, j] += gy[i]
void vd_row_sums_backward(float *gx, const float *gy, size_t rows, size_t columns);
// y[i, at + j] = x[i, j], where x has `columns` columns and y has `total` columns; and its backward.
void vd_copy_columns(float *y, const float *x, size_t rows, size_t columns, size_t total, size_t at);
void vd_copy_columns_backward(float *gx, const float *gy, size_t rows, size_t columns, size_t total, size_t at);
// Returns sum_i w[i] * x[i]; and for each column total[j] += sum_i w[i] * x[i, j], and the same for squares, in
// float64.
double vd_weighted_sum(const float *x, const float *w, size_t n);
void vd_weighted_column_sums(double *total, double *squares, const float *x, const float *w, size_t rows, size_t columns);

// ---- activation.c -----------------------------------------------------------------------------------------------
enum {
  VD_IDENTITY = 0, VD_RELU, VD_LEAKY_RELU, VD_ELU, VD_TANH, VD_SIGMOID, VD_SOFTPLUS,
  VD_SILU, VD_GELU // these two need the value before the activation
};
// Backward of bias and relu in one pass: sets g[i, j] to 0 where y[i, j] is not positive, then
// total[j] += sum_i g[i, j]. total may be null.
void vd_relu_backward_sums(float *g, const float *y, float *total, size_t rows, size_t columns);
// y[i, j] = f(y[i, j] + bias[j]). bias may be null. If `before` is not null, y + bias is stored there.
void vd_bias_activation(float *y, float *before, const float *bias, size_t rows, size_t columns, int f);
// g[i] *= f'(.), computed from the output y, or from `before` for SILU and GELU.
void vd_activation_backward(float *g, const float *y, const float *before, size_t n, int f);
// y = clamp(x); gx += gy where low <= x <= high, as in torch.clamp.
void vd_clamp(float *y, const float *x, size_t n, float low, float high);
void vd_clamp_backward(float *gx, const float *gy, const float *x, size_t n, float low, float high);
// y = max(floor, x); gx += gy where x > floor (free bits).
void vd_floor(float *y, const float *x, size_t n, float floor);
void vd_floor_backward(float *gx, const float *gy, const float *x, size_t n, float floor);
// y[i] = exp(x[i]), y[i] = 1 / (1 + exp(-x[i]))
void vd_exp(float *y, const float *x, size_t n);
void vd_sigmoid(float *y, const float *x, size_t n);

// ---- convolution.c: direct convolutions, (sample, row, column, channel) -------------------------------------------
// A segment: `count` consecutive values of the input image from offset `at` on. They are multiplied by the weights in
// rows `row` to `row + count - 1`.
typedef struct { int32_t at, row, count; } vd_segment;
// The segments of every output pixel of a sample: pixel i has the segments start[i] ..< start[i + 1].
typedef struct { const int32_t *start; const vd_segment *segments; size_t positions; } vd_conv_table;
// A box: `count` rows of the weights from `row` on, and the pixels that use them. x and g are the offsets, within a
// sample, of the first such values in the large image (x) and in the small image (g). rows and columns count the pixels
// of the small image.
typedef struct { int32_t row, count, x, g, rows, columns; } vd_box;
typedef struct { size_t x_sample, x_row, x_column, g_sample, g_row, g_column; } vd_box_strides;
// Kernels load whole vectors, so weights, bias and g must be followed by 64 readable bytes.
//
// y[n, i, c] = start + sum over the segments of pixel i of x[n, at + k] w[row + k, c]. The start is bias or 0, and y
// itself for VD_CONV_ADD. VD_CONV_RELU applies relu to the result.
enum { VD_CONV_SET = 0, VD_CONV_ADD, VD_CONV_RELU };
void vd_conv_gather(float *y, size_t y_sample, size_t y_pixel, const float *x, size_t x_sample, const float *w,
                    size_t w_pitch, const float *bias, int mode, size_t channels, size_t samples,
                    const vd_conv_table *table);
// The adjoint of vd_conv_gather, for images with few channels: y[n, at + k] += sum_d x[n, i, d] w[d, row + k]. w has
// shape (depth, columns), and `patches` has room for 8 times `columns` floats.
void vd_conv_scatter(float *y, size_t y_sample, const float *x, size_t x_sample, size_t x_pixel, size_t depth,
                     const float *w, size_t columns, float *patches, size_t samples, const vd_conv_table *table);
// d[row + k, c] += sum over samples, and over the pixels of a box, of x[.. + k] g[.. + c]. Processes `block` samples at
// a time.
void vd_conv_outer(float *d, size_t d_pitch, const float *x, const float *g, size_t channels, size_t samples,
                   size_t block, const vd_box *boxes, size_t count, const vd_box_strides *stride);
// y[j, i] = x[i, j]. The pitches are the distances between rows.
void vd_transpose(float *y, size_t y_pitch, const float *x, size_t x_pitch, size_t rows, size_t columns);
// y[i, j] = row[j]
void vd_fill_rows(float *y, const float *row, size_t rows, size_t columns);
// For tests: sets the CPU level (2 to 4, as in vd_cpu_level) of this thread's convolutions; 0 restores the machine's
// level. Returns 0 if the CPU does not have the level.
int vd_conv_choose_level(int cpu_level);

// ---- normalization.c: (sample, pixel, channel), eps inside the root as torch.nn -----------------------------------
// Number of floats of the workspace `work`.
size_t vd_group_norm_work(size_t channels);
// y = f((x - mean) / deviation * weight[c] + bias[c]). Mean and deviation are computed over the pixels and channels of
// each group of a sample, and `statistics` receives (mean, 1 / deviation) of each group. Whole vectors are loaded, so x
// and gy must be followed by 64 readable bytes.
void vd_group_norm(float *y, float *statistics, float *work, const float *x, const float *weight, const float *bias,
                   size_t samples, size_t pixels, size_t channels, size_t groups, float epsilon, int f);
// Replaces gy by the gradient before f. Sets gx = (accumulate ? gx : 0) + gradient, and adds to gweight and gbias. Null
// gradients are not computed.
void vd_group_norm_backward(float *gx, float *gweight, float *gbias, float *gy, float *work, const float *y,
                            const float *statistics, const float *x, const float *weight, const float *bias,
                            size_t samples, size_t pixels, size_t channels, size_t groups, int accumulate, int f);
// Layer normalization: the same over the columns of each row, without f.
void vd_layer_norm(float *y, float *statistics, const float *x, const float *weight, const float *bias, size_t rows,
                   size_t columns, float epsilon);
void vd_layer_norm_backward(float *gx, float *gweight, float *gbias, const float *gy, const float *statistics,
                            const float *x, const float *weight, size_t rows, size_t columns, int accumulate);

// ---- resampling.c: (sample, row, column, channel); rows are those of all samples ----------------------------------
// y[r, c] = x[r / factor, c / factor] for every pixel. Backward: gx = (accumulate ? gx : 0) + sums over the copies.
void vd_upsample(float *y, const float *x, size_t rows, size_t columns, size_t channels, size_t factor);
void vd_upsample_backward(float *gx, const float *gy, size_t rows, size_t columns, size_t channels, size_t factor,
                          int accumulate);
// y[r factor + i, c factor + j, k] = x[r, c, (k factor + i) factor + j] for `channels` values of k, as in
// torch.nn.PixelShuffle.
void vd_pixel_shuffle(float *y, const float *x, size_t rows, size_t columns, size_t channels, size_t factor);
void vd_pixel_shuffle_backward(float *gx, const float *gy, size_t rows, size_t columns, size_t channels,
                               size_t factor, int accumulate);
// Average pooling. The padding is at most half the kernel, so that every window contains a pixel. If counts_padding is
// set, the mean includes the zeros of the padding.
typedef struct {
  size_t rows, columns, channels, to_rows, to_columns, kernel, stride, padding;
  int counts_padding;
} vd_pool;
void vd_average_pool(float *y, const float *x, size_t samples, const vd_pool *pool);
void vd_average_pool_backward(float *gx, const float *gy, size_t samples, const vd_pool *pool); // gx +=

// ---- distributions.c: fused densities, one value per sample -----------------------------------------------------
// loss[i] = sum_j max(l, 0) - l x + log1p(exp(-|l|)). residual[i, j] = sigmoid(l) - x is the gradient of loss[i].
void vd_bernoulli(float *loss, float *residual, const float *logits, const float *x, size_t rows, size_t columns);
// gx[i, j] += g[i] * residual[i, j]
void vd_scale_rows_add(float *gx, const float *g, const float *residual, size_t rows, size_t columns);
// loss[i] = sum_j (x - mean)^2 / (2 exp(2 s)) + s + log(2 pi) / 2, where s = log sigma is the same for all values.
void vd_gaussian(float *loss, const float *mean, const float *x, float log_sigma, size_t rows, size_t columns);
// gmean += g[i] (mean - x) / sigma^2. Returns sum_i g[i] * d loss[i] / d log_sigma.
double vd_gaussian_backward(float *gmean, const float *g, const float *mean, const float *x, float log_sigma,
                            size_t rows, size_t columns);
// y[i] = sum_j (x - mean)^2 over the present values. Missing values (NaN) contribute nothing.
void vd_squared_distances(float *y, const float *x, const float *mean, size_t rows, size_t columns);
// kl = (exp(lv) + mu^2 - 1 - lv) / 2 for each element, in nats; glv += g (exp(lv) - 1) / 2. For gmu += g mu use
// vd_multiply_add.
void vd_gaussian_kl(float *kl, const float *mu, const float *logvar, size_t n);
void vd_gaussian_kl_backward(float *glogvar, const float *g, const float *logvar, size_t n);
// KL(N(mu, exp(logvar)) || N(m, exp(lv))) for each element, in nats. Any gradient may be null.
void vd_gaussian_divergence(float *kl, const float *mu, const float *logvar, const float *m, const float *lv, size_t n);
void vd_gaussian_divergence_backward(float *gmu, float *glogvar, float *gm, float *glv, const float *g, const float *mu,
                                     const float *logvar, const float *m, const float *lv, size_t n);
// log N(z; mu, exp(logvar)) for each element. If mu and logvar are null, the density is N(0, 1). Any gradient may be
// null.
void vd_log_normal(float *density, const float *z, const float *mu, const float *logvar, size_t n);
void vd_log_normal_backward(float *gz, float *gmu, float *glogvar, const float *g, const float *z, const float *mu,
                            const float *logvar, size_t n);
// Affine coupling. Columns changed[0..width) of y are z * exp(s) + t, or (z - t) * exp(-s) for the inverse. The other
// columns are copied from z. raw (rows, 2 * width) contains a and then t, with s = bound * tanh(a / bound).
// log_scale = log |dy/dz| (rows, columns). Any gradient may be null.
void vd_coupling(float *y, float *log_scale, const float *z, const float *raw, const int32_t *changed, size_t rows,
                 size_t columns, size_t width, float bound, int32_t inverse);
void vd_coupling_backward(float *gz, float *graw, const float *gy, const float *glog_scale, const float *z,
                          const float *y, const float *raw, const int32_t *changed, size_t rows, size_t columns,
                          size_t width, float bound, int32_t inverse);
// y[i, j] = x[i, chosen[j]]; gx[i, chosen[j]] += gy[i, j].
void vd_select_columns(float *y, const float *x, const int32_t *chosen, size_t rows, size_t columns, size_t width);
void vd_select_columns_backward(float *gx, const float *gy, const int32_t *chosen, size_t rows, size_t columns,
                                size_t width);
// z = mu + scale * exp(lv / 2) * eps. `deviation` receives scale * exp(lv / 2) * eps. Backward:
// glv += gz deviation / 2.
void vd_reparameterize(float *z, float *deviation, const float *mu, const float *logvar, const float *eps, float scale,
                       size_t n);
void vd_reparameterize_backward(float *glogvar, const float *gz, const float *deviation, size_t n);

// ---- likelihoods.c: one value of the location, or a pair, for each value of x ---------------------------------------
enum {
  VD_BERNOULLI = 0, VD_CONTINUOUS_BERNOULLI, VD_GAUSSIAN, VD_LAPLACE, // one value
  VD_GAUSSIAN_PIXEL, VD_DISCRETIZED_LOGISTIC                          // (mean, logarithm of the scale)
};
// loss[i] = -log p(x[i]). `residual`, which has the shape of the location, receives the gradient of loss[i]. The
// likelihoods are: the continuous Bernoulli (Loaiza-Ganem and Cunningham, 2019); a Gaussian with a sigma for each
// value, with the soft lower limit exp(-6); a Gaussian with the optimal variance of each sample, exp(-12) + mean
// squared error; and a logistic with 256 bins and its location on [-1, 1].
void vd_continuous_bernoulli(float *loss, float *residual, const float *logits, const float *x, size_t rows,
                             size_t columns);
void vd_gaussian_pixel(float *loss, float *residual, const float *location, const float *x, size_t rows,
                       size_t columns);
void vd_gaussian_optimal(float *loss, float *residual, const float *mean, const float *x, size_t rows, size_t columns);
void vd_discretized_logistic(float *loss, float *residual, const float *location, const float *x, size_t rows,
                             size_t columns);
// loss[i] = sum_j |x - mean| / b + log(2 b), where b = exp(log_scale) is the same for all values. The gradients are as
// in vd_gaussian_backward.
void vd_laplace(float *loss, const float *mean, const float *x, float log_scale, size_t rows, size_t columns);
double vd_laplace_backward(float *gmean, const float *g, const float *mean, const float *x, float log_scale,
                           size_t rows, size_t columns);
// y[j] = E[x[j]] for n values, and its backward. The mean of the discretised logistic is clipped to [0, 1] but not
// rounded.
void vd_likelihood_mean(float *y, const float *location, size_t n, int kind);
void vd_likelihood_mean_backward(float *glocation, const float *gy, const float *location, size_t n, int kind);
// Draws x[j] ~ p. `noise` contains standard normals for the Gaussians and uniforms for the others. log_scale is used if
// all values share a scale.
void vd_likelihood_sample(float *x, const float *location, const float *noise, float log_scale, size_t n, int kind);
// Returns 1 if every x[j] is a multiple of 1 / 255 in [0, 1], with a tolerance of a hundredth of a step.
int vd_all_levels(const float *x, size_t n);

// ---- table.c: rows of a table ---------------------------------------------------------------------------------------
// Column g has sizes[g] elements: one for a number; several for a category, of which exactly one element is 1. NaN in x
// is a missing value. loss[i] is a sum over the columns with a present value. Numbers have a Gaussian with its own
// sigma, where log sigma has the soft lower limit `floor` (-infinity for no limit). Categories have a softmax.
// raw[step * k] is log sigma of number k before the limit. sigma (numbers, 3) receives values for backward.
void vd_table(float *loss, float *sigma, const float *location, const float *x, const float *raw, size_t step,
              float floor, const int32_t *sizes, size_t groups, size_t rows, size_t columns);
// Adds to glocation and graw. Either may be NULL if it is not needed.
void vd_table_backward(float *glocation, float *graw, size_t step, const float *g, const float *sigma,
                       const float *location, const float *x, const int32_t *sizes, size_t groups, size_t rows, size_t columns);
// The mean: numbers are copied, and categories become probabilities.
void vd_table_mean(float *y, const float *location, const int32_t *sizes, size_t groups, size_t rows, size_t columns);
void vd_table_mean_backward(float *glocation, const float *gy, const float *y, const int32_t *sizes, size_t groups,
                            size_t rows, size_t columns);
// Draws rows of a table. normals (rows, columns), uniforms (rows, groups)
void vd_table_sample(float *x, const float *location, const float *raw, size_t step, float floor,
                     const float *normals, const float *uniforms, const int32_t *sizes, size_t groups, size_t rows, size_t columns);
// Copies x and replaces NaN by 0. y may be x. If mask is not NULL, it receives 1 where a value is present and 0
// elsewhere.
void vd_observed(float *y, float *mask, const float *x, size_t n);

// ---- mixture.c: mixtures of discretised logistics, 1 or 3 channels, at most 32 mixtures -----------------------------
// The location of a pixel has M logits, and for each channel M means, M log scales and (for 3 channels) M coefficients
// before tanh.
void vd_logistic_mixture(float *loss, const float *location, const float *x, size_t rows, size_t pixels,
                         size_t channels, size_t mixtures);
// glocation += g[i] d loss[i] / d location
void vd_logistic_mixture_backward(float *glocation, const float *g, const float *location, const float *x, size_t rows,
                                  size_t pixels, size_t channels, size_t mixtures);
// The mean of the mixture for any number of pixels. The location of a channel is evaluated at the means of the previous
// channels. (pixels, channels)
void vd_logistic_mixture_mean(float *y, const float *location, size_t pixels, size_t channels, size_t mixtures);
void vd_logistic_mixture_mean_backward(float *glocation, const float *gy, const float *location, size_t pixels,
                                       size_t channels, size_t mixtures);
// Draws pixels from 1 + channels uniforms for each pixel.
void vd_logistic_mixture_sample(float *x, const float *location, const float *uniforms, size_t pixels, size_t channels,
                                size_t mixtures);

// ---- similarity.c: multi-scale structural similarity ----------------------------------------------------------------
// Number of scales that fit the image, 1 to 5. If there are several, the smallest scale is at least as large as the
// window of 11.
size_t vd_similarity_scales(size_t rows, size_t columns);
// Number of floats of the workspace.
size_t vd_similarity_workspace(size_t rows, size_t columns);
// loss[i] = 1 - similarity of x[i] and y[i], averaged over channels; gy += g[i] d loss[i] / d y.
void vd_dissimilarity(float *loss, const float *x, const float *y, float *work, size_t samples, size_t rows,
                      size_t columns, size_t channels);
void vd_dissimilarity_backward(float *gy, const float *g, const float *x, const float *y, float *work, size_t samples,
                               size_t rows, size_t columns, size_t channels);

// ---- aggregate.c: samples of a microbatch compared with each other --------------------------------------------------
// Total correlation of the posteriors N(mu_k, exp(logvar_k)), for each row of z: tc[i] = log (1/rows)
// sum_k prod_j r_kj, where r_kj is q(z_ij | x_k) divided by its mean over k. weights (rows, rows) and marginals
// (rows, columns) are kept for backward. `work` has room for (rows + 2) * columns floats. Gradients may be null.
void vd_total_correlation(float *tc, float *weights, float *marginals, float *work, const float *z, const float *mu,
                          const float *logvar, size_t rows, size_t columns);
void vd_total_correlation_backward(float *gz, float *gmu, float *glogvar, const float *g, const float *weights,
                                   const float *marginals, float *work, const float *z, const float *mu,
                                   const float *logvar, size_t rows, size_t columns);
// The mean of loss[i] is the unbiased estimate of MMD^2 between z (at least 2 rows) and N(0, I), with the kernel
// exp(-|a - b|^2 / columns). Expectations under the prior are computed in closed form. pairs (rows, rows) and prior
// (rows) are kept for backward.
void vd_prior_discrepancy(float *loss, float *pairs, float *prior, const float *z, size_t rows, size_t columns);
void vd_prior_discrepancy_backward(float *gz, const float *g, const float *pairs, const float *prior, const float *z,
                                   size_t rows, size_t columns);

// ---- random.c: Philox4x32-10 (Salmon et al., SC'11), the same bits on every CPU -----------------------------------
void vd_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
// Row i draws `columns` values from the counters (block, epoch, index[i] low, index[i] high). The values are standard
// normals (Box-Muller, with this file's own logarithm and sine) or uniforms in (0, 1).
void vd_normal(float *y, const uint64_t *index, size_t rows, size_t columns, uint32_t epoch, const uint32_t key[2]);
void vd_uniform(float *y, const uint64_t *index, size_t rows, size_t columns, uint32_t epoch, const uint32_t key[2]);

// ---- picture.c: pixels, (row, column, channel) ---------------------------------------------------------------------
// y[i, c] = x[c, i]. Converts colour planes of bytes to pixels.
void vd_interleave(float *y, const uint8_t *x, size_t pixels, size_t channels);
// Shifts a picture, and mirrors it horizontally if `mirrored` is set. Pixels that enter at an edge repeat the edge.
void vd_move_picture(float *y, const float *x, size_t rows, size_t columns, size_t channels, ptrdiff_t down,
                     ptrdiff_t right, int mirrored);
// The weights of a resized axis: output i is a sum of `count` inputs from first[i] on, with weights in units of
// 1 / 2^22. Unused weights at the end are 0.
typedef struct { const int32_t *first, *weights; size_t count; } vd_taps;
// Resizes rows of `width` bytes at distance `pitch` to `rows` rows. `sums` has room for `width` values.
void vd_resize_rows(uint8_t *y, const uint8_t *x, size_t pitch, size_t width, size_t rows, const vd_taps *taps,
                    int32_t *sums);
// Resizes the columns of each row of `width` bytes to `columns` columns.
void vd_resize_columns(uint8_t *y, const uint8_t *x, size_t width, size_t rows, size_t columns, size_t channels,
                       const vd_taps *taps);

// ---- optimizer.c --------------------------------------------------------------------------------------------------
// Adam with decoupled (AdamW) or L2 weight decay, as in torch.optim. The gradient is first multiplied by `scale`
// (clipping). m and v are the moments; step = lr / (1 - beta1^t); root = 1 / sqrt(1 - beta2^t); keep = 1 - lr *
// decoupled decay. rest1 and rest2 are 1 - beta1 and 1 - beta2, computed in float64 and rounded once. In float32,
// 1.0f - 0.999f would have a relative error of 5e-5, which the bias correction would not cancel.
typedef struct {
  float scale, rest1, beta2, rest2, epsilon, step, root, keep, l2, average;
} vd_adam_settings;
void vd_adam(float *p, float *m, float *v, const float *g, size_t n, const vd_adam_settings *settings);
// The same, and a += average (p - a) with the new p, which is an exponential moving average.
void vd_adam_averaged(float *p, float *m, float *v, float *a, const float *g, size_t n,
                      const vd_adam_settings *settings);
