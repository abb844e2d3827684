// Pictures: shifting, mirroring, resizing and interleaving of colour planes.
#include "common.h"

VD_CLONES void vd_interleave(float *y, const uint8_t *x, size_t pixels, size_t channels) {
  for (size_t c = 0; c < channels; c++)
    for (size_t i = 0; i < pixels; i++) y[i * channels + c] = x[c * pixels + i];
}

static size_t clamped(ptrdiff_t at, size_t n) { return at < 0 ? 0 : (size_t)at >= n ? n - 1 : (size_t)at; }

void vd_move_picture(float *y, const float *x, size_t rows, size_t columns, size_t channels, ptrdiff_t down,
                     ptrdiff_t right, int mirrored) {
  for (size_t i = 0; i < rows; i++) {
    const float *row = x + clamped((ptrdiff_t)i - down, rows) * columns * channels;
    for (size_t j = 0; j < columns; j++, y += channels) {
      size_t from = clamped((ptrdiff_t)j - right, columns);
      memcpy(y, row + (mirrored ? columns - 1 - from : from) * channels, channels * sizeof *y);
    }
  }
}

// Weights are integers, so that the sums are the same on every CPU. The weights of a pixel add up to 2^22.
enum { weight_bits = 22 };

VD_CLONES void vd_resize_rows(uint8_t *y, const uint8_t *x, size_t pitch, size_t width, size_t rows,
                              const vd_taps *taps, int32_t *sums) {
  for (size_t i = 0; i < rows; i++, y += width) {
    const int32_t *weights = taps->weights + i * taps->count;
    const uint8_t *first = x + (size_t)taps->first[i] * pitch;
    for (size_t j = 0; j < width; j++) sums[j] = 1 << (weight_bits - 1);
    for (size_t k = 0; k < taps->count && weights[k]; k++) {
      const uint8_t *row = first + k * pitch;
      for (size_t j = 0; j < width; j++) sums[j] += weights[k] * row[j];
    }
    for (size_t j = 0; j < width; j++) y[j] = (uint8_t)(sums[j] >> weight_bits);
  }
}

void vd_resize_columns(uint8_t *y, const uint8_t *x, size_t width, size_t rows, size_t columns, size_t channels,
                       const vd_taps *taps) {
  for (size_t i = 0; i < rows; i++, x += width)
    for (size_t j = 0; j < columns; j++) {
      const int32_t *weights = taps->weights + j * taps->count;
      const uint8_t *first = x + (size_t)taps->first[j] * channels;
      for (size_t c = 0; c < channels; c++) {
        int32_t sum = 1 << (weight_bits - 1);
        for (size_t k = 0; k < taps->count && weights[k]; k++) sum += weights[k] * first[k * channels + c];
        *y++ = (uint8_t)(sum >> weight_bits);
      }
    }
}
