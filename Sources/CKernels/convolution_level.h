// Convolution tiles for one CPU level. convolution.c includes this file with W (floats per vector),
// P (pixels per tile), TARGET and NAME(x) defined. A tile keeps P pixels x 2 W channels in registers.

typedef float NAME(vector) __attribute__((vector_size(W * 4), aligned(4)));
typedef int32_t NAME(mask) __attribute__((vector_size(W * 4)));
#define VECTOR NAME(vector)
#define MASK NAME(mask)
#define LOAD(p) (*(const VECTOR *)(p))
#define EACH(i, n) _Pragma("clang loop unroll(full)") for (int i = 0; i < (n); i++)

// Stores only the first `lanes` elements of an incomplete vector, so that the last channels of a pixel do not overwrite
// the next pixel.
#define STORE(to, value)                                                             \
  do {                                                                               \
    if (whole) *(VECTOR *)(to) = (value);                                            \
    else { VECTOR kept = (value); memcpy((to), &kept, lanes * sizeof(float)); }      \
  } while (0)
#define FETCH(value, from)                                                           \
  do {                                                                               \
    if (whole) (value) = LOAD(from);                                                 \
    else { VECTOR kept = {0}; memcpy(&kept, (from), lanes * sizeof(float)); (value) = kept; } \
  } while (0)

// y[p, 0..<channels] = start + sum over segments of x[p, in + k] w[row + k, ...]. channels <= 2 W, and `pixels` is a
// constant.
TARGET static inline __attribute__((always_inline)) void NAME(gather_tile)(
    const int pixels, const int vectors, const int whole, size_t lanes, float *y, size_t y_pitch, const float *x, size_t x_pitch,
    const float *w, size_t w_pitch, const float *bias, int mode, const vd_segment *s, const vd_segment *end) {
  VECTOR sum[P][2];
  EACH(p, pixels) EACH(v, vectors) {
    if (mode == VD_CONV_ADD) FETCH(sum[p][v], y + p * y_pitch + v * W);
    else if (bias) sum[p][v] = LOAD(bias + v * W);
    else sum[p][v] = (VECTOR){0};
  }
  for (; s < end; s++) {
    const float *from = x + s->at, *row = w + (size_t)s->row * w_pitch;
    for (int32_t k = 0; k < s->count; k++, row += w_pitch) {
      VECTOR weight[2];
      EACH(v, vectors) weight[v] = LOAD(row + v * W);
      EACH(p, pixels) {
        float value = from[p * x_pitch + k];
        EACH(v, vectors) sum[p][v] += value * weight[v];
      }
    }
  }
  // A NaN does not compare as below 0 and is therefore preserved.
  if (mode == VD_CONV_RELU)
    EACH(p, pixels) EACH(v, vectors) sum[p][v] = (VECTOR)((MASK)sum[p][v] & ~(sum[p][v] < 0));
  EACH(p, pixels) EACH(v, vectors) STORE(y + p * y_pitch + v * W, sum[p][v]);
}

// d[k, 0..<channels] += sum over samples, rows and columns of x[.., k] g[.., ...]. channels <= 2 W.
TARGET static inline __attribute__((always_inline)) void NAME(outer_tile)(
    const int taps, const int vectors, const int whole, size_t lanes, float *d, size_t d_pitch, const float *x, const float *g,
    const vd_box *box, const vd_box_strides *stride, size_t samples) {
  VECTOR sum[P][2];
  EACH(k, taps) EACH(v, vectors) FETCH(sum[k][v], d + k * d_pitch + v * W);
  const size_t x_column = stride->x_column, g_column = stride->g_column;
  const int32_t columns = box->columns;
  for (size_t n = 0; n < samples; n++)
    for (int32_t r = 0; r < box->rows; r++) {
      const float *from = x + n * stride->x_sample + (size_t)r * stride->x_row;
      const float *gradient = g + n * stride->g_sample + (size_t)r * stride->g_row;
      for (int32_t c = 0; c < columns; c++, from += x_column, gradient += g_column) {
        VECTOR slope[2];
        EACH(v, vectors) slope[v] = LOAD(gradient + v * W);
        EACH(k, taps) {
          float value = from[k];
          EACH(v, vectors) sum[k][v] += value * slope[v];
        }
      }
    }
  EACH(k, taps) EACH(v, vectors) STORE(d + k * d_pitch + v * W, sum[k][v]);
}

// Functions for every number of pixels or taps, with two vectors of channels, one vector, or an incomplete vector.
#define TILES(N)                                                                                                       \
  TARGET static void NAME(gather2_##N)(size_t lanes, float *y, size_t yp, const float *x, size_t xp, const float *w,   \
                                       size_t wp, const float *b, int a, const vd_segment *s, const vd_segment *e) {   \
    NAME(gather_tile)(N, 2, 1, lanes, y, yp, x, xp, w, wp, b, a, s, e);                                                \
  }                                                                                                                    \
  TARGET static void NAME(gather1_##N)(size_t lanes, float *y, size_t yp, const float *x, size_t xp, const float *w,   \
                                       size_t wp, const float *b, int a, const vd_segment *s, const vd_segment *e) {   \
    if (lanes == W) NAME(gather_tile)(N, 1, 1, lanes, y, yp, x, xp, w, wp, b, a, s, e);                                \
    else NAME(gather_tile)(N, 1, 0, lanes, y, yp, x, xp, w, wp, b, a, s, e);                                           \
  }                                                                                                                    \
  TARGET static void NAME(outer2_##N)(size_t lanes, float *d, size_t dp, const float *x, const float *g,               \
                                      const vd_box *b, const vd_box_strides *s, size_t n) {                            \
    NAME(outer_tile)(N, 2, 1, lanes, d, dp, x, g, b, s, n);                                                            \
  }                                                                                                                    \
  TARGET static void NAME(outer1_##N)(size_t lanes, float *d, size_t dp, const float *x, const float *g,               \
                                      const vd_box *b, const vd_box_strides *s, size_t n) {                            \
    if (lanes == W) NAME(outer_tile)(N, 1, 1, lanes, d, dp, x, g, b, s, n);                                            \
    else NAME(outer_tile)(N, 1, 0, lanes, d, dp, x, g, b, s, n);                                                       \
  }
TILES(1) TILES(2) TILES(3) TILES(4)
#if P == 8
TILES(5) TILES(6) TILES(7) TILES(8)
#define ALL(f) {NAME(f##_1), NAME(f##_2), NAME(f##_3), NAME(f##_4), NAME(f##_5), NAME(f##_6), NAME(f##_7), NAME(f##_8)}
#else
#define ALL(f) {NAME(f##_1), NAME(f##_2), NAME(f##_3), NAME(f##_4)}
#endif
static const level NAME(level) = {W, P, {ALL(gather1), ALL(gather2)}, {ALL(outer1), ALL(outer2)}};

#undef ALL
#undef TILES
#undef EACH
#undef FETCH
#undef STORE
#undef LOAD
#undef MASK
#undef VECTOR
