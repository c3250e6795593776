/* winograd.h: 3x3 convolution with stride 1 by Winograd's F(4x4,3x3), f32: a quarter of the products, at the points
** 0, +-5/8, +-3/2 and infinity. Rounding errors (rms) are 5 to 6.3e-7 of the outputs for 32 to 256
** channels, up to 1.7 times those of a direct sum in one chain (PyTorch's channels-last mode; sums in short chains reach
** 2.2e-7, which no transform of this size does), at 32 channels behind a ReLU 1.9 times. One NaN or infinity in a
** tile's 6x6 pixels spoils its 4x4 outputs, and inputs beyond about 1e37 overflow.
** Sources: Lavin and Gray, arXiv 1509.09308; the points: Barabasz et al., arXiv 1803.10986. */
#ifndef RL_KERNELS_WINOGRAD_H
#define RL_KERNELS_WINOGRAD_H

#include "kernels/conv.h"

/* Whether it is allowed, can do this convolution, and is the faster way on this CPU (by a table in winograd_choice.c). */
RL_API bool rl_winograd_fits(const rl_conv *s, rl_direction direction);

/* The switch; on unless RILLE_WINOGRAD=0 is in the environment. Between ops, on the main thread. */
RL_API void rl_winograd_allow(bool on);
RL_API bool rl_winograd_allowed(void);

/* As the functions of conv.h, for any 3x3 convolution with stride 1, dilation 1, groups 1 in f32. */
RL_API rl_status rl_winograd_forward(const rl_conv *s, const void *weight, const void *bias, void *y,
                                     double *moments);
RL_API rl_status rl_winograd_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                                       const rl_conv_dx *dx);
RL_API rl_status rl_winograd_back_weight(const rl_conv *s, int count, const void *const *dy,
                                         void *const *dweight, const double *beta);

/* ---- between winograd.c and body/winograd.inc. Channels are laid in `lanes`: each part's padded with zeros to whole
** vectors. A group is one vector of lanes, a panel two. A frequency is one of the 36 numbers of a transformed tile. */

#define RL_WINO_FREQUENCIES 36

/* Tiles of 4x4 points over maps of gh x gw, in the order image, row, column. The last row of them has `high` rows of points,
** the last column `wide` columns, 1 to 4.
** With fewer points a tile does with fewer frequencies: F(2x2,3x3) needs 0, +-5/8 and infinity alone, and the weights at these
** are the same. Such a tile takes part in those products only: a map of 14 or 7 costs 84 % of one of 16 or 8. Its input has the
** factors (x - point) of the points left out, so that the output's numbers are the same as well. */
typedef struct rl_wino_grid {
  int64_t gh, gw, down, across, high, wide;
} rl_wino_grid;

/* Kinds of tiles: bit 0, the last column's where it is cut; bit 1, the last row's. A block's tiles lie by kind, in the order 1, 0,
** 2, 3, so that those with one frequency are neighbours; of[kind] is how many, or the next one's place. */
enum { RL_WINO_WHOLE, RL_WINO_RIGHT, RL_WINO_BELOW, RL_WINO_CORNER, RL_WINO_KINDS };
typedef struct rl_wino_kinds {
  int64_t of[RL_WINO_KINDS];
} rl_wino_kinds;

static inline int rl_wino_kind(const rl_wino_grid *g, int64_t row, int64_t column) {
  bool right = g->wide < 4 && column == g->across - 1, below = g->high < 4 && row == g->down - 1;
  return (right ? RL_WINO_RIGHT : 0) | (below ? RL_WINO_BELOW : 0);
}

/* Whether a tile of so many points (in one dimension) has frequency 0 to 5. */
static inline bool rl_wino_has(int64_t count, int frequency) {
  static const unsigned char has[] = {0, 0x23, 0x27, 0x2f, 0x3f};
  return has[count] >> frequency & 1;
}

/* The neighbours among a block's tiles that have frequency f. */
typedef struct rl_wino_range {
  int64_t from, to;
} rl_wino_range;

static inline rl_wino_range rl_wino_tiles(const rl_wino_grid *g, const rl_wino_kinds *k, int f) {
  bool rows = rl_wino_has(g->high, f / 6), columns = rl_wino_has(g->wide, f % 6);
  int64_t from = columns ? 0 : k->of[RL_WINO_RIGHT];
  int64_t below = k->of[RL_WINO_BELOW] + (columns ? k->of[RL_WINO_CORNER] : 0);
  return (rl_wino_range){from, k->of[RL_WINO_RIGHT] + k->of[RL_WINO_WHOLE] + (rows ? below : 0)};
}

/* Channels of a map as tiles see it: h x w pixels, stored at 1/up of that, ld apart; tile (0, 0) begins at pixel (y0, x0). */
typedef struct rl_wino_map {
  const float *x;
  int64_t h, w, y0, x0, ld, channels;
  int up;
  const rl_prologue *px;
} rl_wino_map;

/* Transformed tiles: lane l of tile t at `frequency` f lies at f frequency + t tile + l / panel's lanes x panel + ...,
** the panel's second vector `half` behind its first. */
typedef struct rl_wino_store {
  float *at;
  int64_t frequency, tile, panel, half;
} rl_wino_store;

/* Reads tiles t0..t1 of a map, groups g0..g1 of its channels, to the tiles `place` and group `group`.. of the store. */
typedef struct rl_wino_read {
  const rl_wino_grid *grid;
  rl_wino_map map;
  rl_wino_kinds place;
  int64_t t0, t1, g0, g1, group;
  rl_wino_store to;
} rl_wino_read;

/* One panel of transformed weights, U[f][lane k0..k1][panel]: a side's channels are parts `at` some place in the
** weight's own order. */
typedef struct rl_wino_side {
  int parts;
  int64_t channels[RL_CONV_PARTS], at[RL_CONV_PARTS], lanes[RL_CONV_PARTS];
  int64_t all; /* lanes of all parts */
} rl_wino_side;

typedef struct rl_wino_filter {
  const float *weight; /* cout x cin x 3 x 3 */
  int64_t cout, cin;
  bool flip; /* gradient to the input: turned by half a turn, inner sums over cout */
  const rl_wino_side *inner, *outer;
  int64_t k0, k1, panel;
  float *to;
  int64_t frequency;
  float *turned; /* forward, or NULL: the weight as vectors of output channels, [group][lane][9][vector]; */
  bool turns;    /* it is filled, and nothing else done */
} rl_wino_filter;

/* Memory that is read next, `lines` of 64 bytes: products, which leave the memory idle, fetch it into L2. */
typedef struct rl_wino_ahead {
  const char *at;
  int64_t lines;
} rl_wino_ahead;

/* M[f][tile][panel] = [M +] V[f][tile][depth] U[f][depth][panel] for every f and the tiles that have it; vectors: of the panel
** in use, 1 or 2. */
typedef struct rl_wino_product {
  const rl_wino_grid *grid;
  rl_wino_kinds tiles;
  const float *v, *u;
  float *m;
  int64_t v_frequency, v_tile, u_frequency, m_frequency, depth;
  rl_wino_ahead ahead;
  int vectors;
  bool add;
} rl_wino_product;

/* Turns M of tiles t0..t1, which lie at `place`, into points, for one group of a part: channels c0.. of y. */
typedef struct rl_wino_write {
  const rl_wino_grid *grid;
  rl_wino_kinds place;
  const float *m; /* the group's vector of the tile at 0; tiles a panel apart */
  int64_t m_frequency, t0, t1;
  float *y; /* forward: N x gh x gw x channels; backward: stored at 1/up of that */
  int64_t ld, channels, c0;
  const float *bias;        /* forward; or NULL */
  const rl_conv_part *part; /* backward: whose gradient; NULL: forward */
  double beta;              /* of what y holds; backward */
  double *
      sums; /* [3][row] from this group's first lane on, or NULL. Forward: the pivot, sum of y - pivot, of its */
  int64_t row; /* square; backward: as rl_conv_dx says */
} rl_wino_write;

/* dU[f][channel of the group][panel] = [dU +] sum over tiles dM[f][tile][channel] V[f][tile][panel], for every group and panel;
** u: [group][panel]. vectors: of the last panel in use, 1 or 2. */
typedef struct rl_wino_outer {
  const rl_wino_grid *grid;
  rl_wino_kinds tiles;
  const float *v, *d;
  float *u;
  int64_t v_frequency, d_frequency,
      u_frequency; /* the next panel of v, group of d, panel of u: 36 of these further; */
  int64_t u_group; /* the next group of u */
  int64_t panels, groups;
  rl_wino_ahead ahead[2]; /* of both maps */
  int vectors;
  bool add;
  bool far; /* no L2 holds v, d and u: the next frequency's are fetched */
} rl_wino_outer;

/* dweight = beta dweight + Gt dU G for output channels c0..c0+count and one panel of input lanes; dU is the sum of `parts`, each
** `part` floats behind the one before. */
typedef struct rl_wino_fold {
  const float *u;
  const rl_wino_side *inner;
  int64_t u_frequency, cin, c0, count, panel;
  int64_t parts, part;
  float *dweight;
  double beta;
} rl_wino_fold;

#endif
