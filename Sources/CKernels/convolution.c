// Direct convolutions over (sample, row, column, channel), without a column buffer and without padding. For every
// output pixel, a table lists the segments of input values under its window (an indirect convolution: Dukhan,
// arXiv:1907.02129). A tile is the same pixel in several samples, which share the loaded weights.
#include "common.h"

typedef void gather_tile(size_t lanes, float *y, size_t y_pitch, const float *x, size_t x_pitch, const float *w,
                         size_t w_pitch, const float *bias, int mode, const vd_segment *s, const vd_segment *end);
typedef void outer_tile(size_t lanes, float *d, size_t d_pitch, const float *x, const float *g, const vd_box *box,
                        const vd_box_strides *stride, size_t samples);
enum { MOST_PIXELS = 8 };
typedef struct {
  size_t width, pixels;
  gather_tile *gather[2][MOST_PIXELS]; // [vectors - 1][pixels - 1]
  outer_tile *outer[2][MOST_PIXELS];
} level;

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)

// The target names features instead of arch=x86-64-v4, because the tuning of the latter would split every 512-bit
// vector.
#if defined(__x86_64__)
#define NAME(x) JOIN(x, v4)
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma,bmi2"), min_vector_width(512)))
#define W 16
#define P 8
#include "convolution_level.h"
#undef NAME
#undef TARGET
#undef W
#undef P

#define NAME(x) JOIN(x, v3)
#define TARGET __attribute__((target("avx2,fma,bmi2")))
#define W 8
#define P 4
#include "convolution_level.h"
#undef NAME
#undef TARGET
#undef W
#undef P
#endif

#define NAME(x) JOIN(x, baseline)
#define TARGET
#define W 4
#define P 4
#include "convolution_level.h"

static _Thread_local int chosen; // 0: the machine's

int vd_conv_choose_level(int cpu_level) {
  if (cpu_level > vd_cpu_level()) return 0;
  chosen = cpu_level;
  return 1;
}

static const level *best(void) {
#if defined(__x86_64__)
  const int cpu_level = chosen ? chosen : vd_cpu_level();
  if (cpu_level >= 4) return &level_v4;
  if (cpu_level >= 3) return &level_v3;
#endif
  return &level_baseline;
}

VD_INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// Iterates over the channels in tiles: first tiles of two vectors, then tiles of one vector.
#define FOR_CHANNELS(l, c, channels, vectors, lanes)                                                     \
  for (size_t c = 0, vectors, lanes, wide;                                                               \
       c < (channels) && (wide = smaller((channels) - c, 2 * (l)->width),                                \
                         vectors = wide == 2 * (l)->width ? 2 : 1,                                       \
                         lanes = smaller(wide, (l)->width), 1);                                          \
       c += vectors == 2 ? 2 * (l)->width : lanes)

void vd_conv_gather(float *y, size_t y_sample, size_t y_pixel, const float *x, size_t x_sample, const float *w,
                    size_t w_pitch, const float *bias, int mode, size_t channels, size_t samples,
                    const vd_conv_table *table) {
  const level *l = best();
  for (size_t i = 0; i < table->positions; i++) {
    const vd_segment *s = table->segments + table->start[i], *end = table->segments + table->start[i + 1];
    FOR_CHANNELS(l, c, channels, vectors, lanes)
      for (size_t n = 0; n < samples; n += l->pixels) {
        size_t pixels = smaller(samples - n, l->pixels);
        l->gather[vectors - 1][pixels - 1](lanes, y + i * y_pixel + c + n * y_sample, y_sample, x + n * x_sample,
                                           x_sample, w + c, w_pitch, bias ? bias + c : NULL, mode, s, end);
      }
  }
}

void vd_conv_scatter(float *y, size_t y_sample, const float *x, size_t x_sample, size_t x_pixel, size_t depth,
                     const float *w, size_t columns, float *patches, size_t samples, const vd_conv_table *table) {
  const level *l = best();
  const vd_segment whole = {0, 0, (int32_t)depth};
  for (size_t i = 0; i < table->positions; i++)
    for (size_t n = 0; n < samples; n += l->pixels) {
      size_t pixels = smaller(samples - n, l->pixels);
      FOR_CHANNELS(l, c, columns, vectors, lanes)
        l->gather[vectors - 1][pixels - 1](lanes, patches + c, columns, x + n * x_sample + i * x_pixel, x_sample, w + c,
                                           columns, NULL, 0, &whole, &whole + 1);
      for (const vd_segment *s = table->segments + table->start[i]; s < table->segments + table->start[i + 1]; s++)
        for (size_t p = 0; p < pixels; p++) {
          float *restrict to = y + (n + p) * y_sample + s->at;
          const float *restrict from = patches + p * columns + s->row;
          for (int32_t k = 0; k < s->count; k++) to[k] += from[k];
        }
    }
}

void vd_conv_outer(float *d, size_t d_pitch, const float *x, const float *g, size_t channels, size_t samples,
                   size_t block, const vd_box *boxes, size_t count, const vd_box_strides *stride) {
  const level *l = best();
  for (size_t n = 0; n < samples; n += block) {
    const size_t some = smaller(samples - n, block);
    for (const vd_box *box = boxes; box < boxes + count; box++)
      for (int32_t k = 0; k < box->count; k += (int32_t)l->pixels) {
        const size_t taps = smaller((size_t)(box->count - k), l->pixels);
        FOR_CHANNELS(l, c, channels, vectors, lanes)
          l->outer[vectors - 1][taps - 1](lanes, d + (size_t)(box->row + k) * d_pitch + c, d_pitch,
                                          x + n * stride->x_sample + box->x + k, g + n * stride->g_sample + box->g + c,
                                          box, stride, some);
      }
  }
}

enum { SIDE = 16 };

VD_CLONES void vd_transpose(float *restrict y, size_t y_pitch, const float *restrict x, size_t x_pitch, size_t rows,
                            size_t columns) {
  for (size_t i = 0; i < rows; i += SIDE)
    for (size_t j = 0; j < columns; j += SIDE) {
      const size_t height = smaller(rows - i, SIDE), width = smaller(columns - j, SIDE);
      for (size_t b = 0; b < width; b++)
        for (size_t a = 0; a < height; a++) y[(j + b) * y_pitch + i + a] = x[(i + a) * x_pitch + j + b];
    }
}

VD_CLONES void vd_fill_rows(float *restrict y, const float *restrict row, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) y[i * columns + j] = row[j];
}
