#include "common.h"

// Makes the usual factor 2 a compile-time constant, so that the loops are unrolled.
#define WITH_FACTOR(CALL)     \
  do {                        \
    if (factor == 2) {        \
      enum { by = 2 };        \
      CALL;                   \
    } else {                  \
      const size_t by = factor; \
      CALL;                   \
    }                         \
  } while (0)

VD_CLONES void vd_upsample(float *restrict y, const float *restrict x, size_t rows, size_t columns, size_t channels,
                           size_t factor) {
  const size_t pitch = columns * factor * channels;
  for (size_t row = 0; row < rows; row++, x += columns * channels, y += factor * pitch) {
    for (size_t column = 0; column < columns; column++)
      for (size_t j = 0; j < factor; j++)
        for (size_t c = 0; c < channels; c++) y[(column * factor + j) * channels + c] = x[column * channels + c];
    for (size_t i = 1; i < factor; i++) memcpy(y + i * pitch, y, pitch * sizeof(float));
  }
}

VD_INLINE void add_upsampled(float *restrict gx, const float *restrict gy, size_t rows, size_t columns,
                             size_t channels, size_t factor, int accumulate) {
  const size_t pitch = columns * factor * channels;
  for (size_t row = 0; row < rows; row++, gx += columns * channels, gy += factor * pitch)
    for (size_t column = 0; column < columns; column++) {
      const float *from = gy + column * factor * channels;
      float *to = gx + column * channels;
      for (size_t c = 0; c < channels; c++) {
        float sum = accumulate ? to[c] : 0;
        for (size_t i = 0; i < factor; i++)
          for (size_t j = 0; j < factor; j++) sum += from[i * pitch + j * channels + c];
        to[c] = sum;
      }
    }
}

VD_CLONES void vd_upsample_backward(float *restrict gx, const float *restrict gy, size_t rows, size_t columns,
                                    size_t channels, size_t factor, int accumulate) {
  WITH_FACTOR(add_upsampled(gx, gy, rows, columns, channels, by, accumulate));
}

VD_INLINE void shuffle(float *restrict y, const float *restrict x, size_t rows, size_t columns, size_t channels,
                       size_t factor) {
  for (size_t row = 0; row < rows; row++)
    for (size_t i = 0; i < factor; i++)
      for (size_t column = 0; column < columns; column++)
        for (size_t j = 0; j < factor; j++, y += channels) {
          const float *from = x + (row * columns + column) * channels * factor * factor + i * factor + j;
          for (size_t c = 0; c < channels; c++) y[c] = from[c * factor * factor];
        }
}

VD_INLINE void unshuffle(float *restrict gx, const float *restrict gy, size_t rows, size_t columns, size_t channels,
                         size_t factor, int accumulate) {
  const size_t pitch = columns * factor * channels, taps = factor * factor;
  for (size_t row = 0; row < rows; row++, gy += factor * pitch)
    for (size_t column = 0; column < columns; column++, gx += channels * taps) {
      const float *from = gy + column * factor * channels;
      for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < factor; i++)
          for (size_t j = 0; j < factor; j++) {
            float *to = gx + c * taps + i * factor + j;
            *to = (accumulate ? *to : 0) + from[i * pitch + j * channels + c];
          }
    }
}

VD_CLONES void vd_pixel_shuffle(float *restrict y, const float *restrict x, size_t rows, size_t columns,
                                size_t channels, size_t factor) {
  WITH_FACTOR(shuffle(y, x, rows, columns, channels, by));
}

VD_CLONES void vd_pixel_shuffle_backward(float *restrict gx, const float *restrict gy, size_t rows, size_t columns,
                                         size_t channels, size_t factor, int accumulate) {
  WITH_FACTOR(unshuffle(gx, gy, rows, columns, channels, by, accumulate));
}

// The rows or columns of the image under window i: first ..< last, limited to the image.
typedef struct { size_t first, last; } extent;
VD_INLINE extent seen(size_t i, size_t size, const vd_pool *pool) {
  const size_t start = i * pool->stride, end = start + pool->kernel;
  return (extent){start < pool->padding ? 0 : start - pool->padding,
                  end - pool->padding < size ? end - pool->padding : size};
}
VD_INLINE float pool_share(extent rows, extent columns, const vd_pool *pool) {
  return 1.0f / (float)(pool->counts_padding ? pool->kernel * pool->kernel
                                             : (rows.last - rows.first) * (columns.last - columns.first));
}

VD_CLONES void vd_average_pool(float *restrict y, const float *restrict x, size_t samples, const vd_pool *pool) {
  const size_t channels = pool->channels, width = pool->columns * channels;
  for (size_t n = 0; n < samples; n++, x += pool->rows * width)
    for (size_t i = 0; i < pool->to_rows; i++)
      for (size_t j = 0; j < pool->to_columns; j++, y += channels) {
        const extent rows = seen(i, pool->rows, pool), columns = seen(j, pool->columns, pool);
        const float share = pool_share(rows, columns, pool);
        memset(y, 0, channels * sizeof(float));
        for (size_t row = rows.first; row < rows.last; row++)
          for (size_t column = columns.first; column < columns.last; column++)
            for (size_t c = 0; c < channels; c++) y[c] += x[row * width + column * channels + c];
        for (size_t c = 0; c < channels; c++) y[c] *= share;
      }
}

VD_CLONES void vd_average_pool_backward(float *restrict gx, const float *restrict gy, size_t samples,
                                        const vd_pool *pool) {
  const size_t channels = pool->channels, width = pool->columns * channels;
  for (size_t n = 0; n < samples; n++, gx += pool->rows * width)
    for (size_t i = 0; i < pool->to_rows; i++)
      for (size_t j = 0; j < pool->to_columns; j++, gy += channels) {
        const extent rows = seen(i, pool->rows, pool), columns = seen(j, pool->columns, pool);
        const float share = pool_share(rows, columns, pool);
        for (size_t row = rows.first; row < rows.last; row++)
          for (size_t column = columns.first; column < columns.last; column++)
            for (size_t c = 0; c < channels; c++) gx[row * width + column * channels + c] += share * gy[c];
      }
}
