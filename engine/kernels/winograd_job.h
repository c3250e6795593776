/* winograd_job.h: what winograd.c and winograd_weight.c share, and nobody else: the work as it is cut, and how maps and channels become tiles
** and lanes. */
#ifndef RL_KERNELS_WINOGRAD_JOB_H
#define RL_KERNELS_WINOGRAD_JOB_H

#include "kernels/kernels.h"
#include "kernels/winograd.h"

#define F           RL_WINO_FREQUENCIES
#define AHEAD_BYTES (256 << 10) /* of pixels fetched ahead: L2 holds a block's transformed tiles, too */
#define BLOCK_TILES 28          /* of a block: weights that no L2 holds are read once for so many */

static inline int64_t ceil_to(int64_t n, int64_t step) { return (n + step - 1) / step * step; }
static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Floats in an odd number of cache lines: 36 of them one behind another spread over all sets of a cache. */
static inline int64_t odd(int64_t n) { return ((n + 15) / 16 | 1) * 16; }

static const rl_prologue no_prologue;

typedef struct job {
  const rl_kernels *k;
  const rl_conv *s;
  rl_wino_grid grid;
  int64_t group, panel;       /* lanes of */
  rl_wino_side inner, outer;  /* read and summed over; made */
  int64_t panels;             /* of outer lanes */
  int64_t sources, each, all; /* cotangents, or 1; tiles of one, of all */
  int64_t blocks, tiles;      /* of one source; of a block, at most */
  int64_t runs, shares;       /* what the transforms of all tiles are cut into: of tiles, of channels */
  int64_t lane_step;          /* from tile to tile of a transformed input */
  int64_t of_u, of_v, of_m,
      of_d;                /* from one frequency to the next: of weights, input, products (or dU), gradient */
  const void *const *dy;   /* read by the gradient to the input, */
  const void *const *from; /* or by that to the weight */
  const rl_conv_dx *dx;
  int part_of[RL_CONV_PARTS]; /* backward: the outer side's parts among the convolution's */
  const float *weight, *bias;
  float *y;
  float *u, *v, *scratch, *turned;
  bool *made; /* by worker: its own weights; NULL where all share u */
  float *m;   /* of shares of inner lanes: [part][panel][F][tile] */
  int64_t scratch_floats;
  double *sums; /* [source][block][3][outer lanes], or NULL */
  /* gradient to the weight: */
  void *const *dweight;
  const double *beta;
  float *d, *du;
  int64_t groups;      /* of output channels */
  int64_t rounds;      /* of a part's tiles */
  int64_t parts, part; /* of tiles, or shares of inner lanes; floats of one's sums or products */
  bool held;           /* sums are folded before the next ones are made */
} job;

/* ---- geometry */

static inline void side_add(rl_wino_side *side, int64_t channels, int64_t at, int64_t group) {
  side->channels[side->parts] = channels;
  side->at[side->parts] = at;
  side->lanes[side->parts++] = ceil_to(channels, group);
  side->all += ceil_to(channels, group);
}

static inline void grid_of(job *j, int64_t gh, int64_t gw) {
  j->grid = (rl_wino_grid){gh, gw, (gh + 3) / 4, (gw + 3) / 4, (gh + 3) % 4 + 1, (gw + 3) % 4 + 1};
  j->each = j->s->n * j->grid.down * j->grid.across;
}

static inline void job_start(job *j, const rl_conv *s) {
  j->s = s;
  j->k = rl_kernels_best();
  j->group = j->k->vector_bytes / (int64_t)sizeof(float);
  j->panel = 2 * j->group;
}

static inline void input_side(job *j, rl_wino_side *side) {
  for (int64_t p = 0, at = 0; p < j->s->nparts; at += j->s->part[p++].channels)
    side_add(side, j->s->part[p].channels, at, j->group);
}

static inline rl_wino_map input_map(const job *j, int64_t part) {
  const rl_conv *s = j->s;
  const rl_conv_part *p = &s->part[part];
  return (rl_wino_map){p->x, s->h, s->w, -s->pad[0], -s->pad[1], p->ld, p->channels, p->up, &p->px};
}

static inline rl_wino_map output_map(const job *j, int64_t source) {
  const rl_conv *s = j->s;
  return (rl_wino_map){j->dy[source], s->oh,   s->ow, s->pad[0] - 2, s->pad[1] - 2,
                       s->ldy,        s->cout, 1,     &no_prologue};
}

/* How many tiles of each kind lie before tile t; sources go on where the one before ends. */
static inline rl_wino_kinds before(const rl_wino_grid *g, int64_t t) {
  int64_t each = g->down * g->across, image = t / each, row = t % each / g->across, column = t % g->across;
  int64_t right = g->wide < 4, below = g->high < 4;
  rl_wino_kinds k = {{t, 0, 0, 0}};
  if (right) k.of[RL_WINO_RIGHT] = image * (g->down - below) + row;
  if (below) k.of[RL_WINO_BELOW] = image * (g->across - right) + (row == g->down - 1 ? column : 0);
  if (right && below) k.of[RL_WINO_CORNER] = image;
  k.of[RL_WINO_WHOLE] -= k.of[RL_WINO_RIGHT] + k.of[RL_WINO_BELOW] + k.of[RL_WINO_CORNER];
  return k;
}

static inline rl_wino_kinds kinds_of(const rl_wino_grid *g, int64_t t0, int64_t t1) {
  rl_wino_kinds a = before(g, t0), b = before(g, t1);
  for (int i = 0; i < RL_WINO_KINDS; i++) b.of[i] -= a.of[i];
  return b;
}

/* Where the tiles from t on lie in a block of t0..t1. */
static inline rl_wino_kinds place_of(const rl_wino_grid *g, int64_t t0, int64_t t1, int64_t t) {
  rl_wino_kinds all = kinds_of(g, t0, t1), at = kinds_of(g, t0, t);
  int64_t whole = all.of[RL_WINO_RIGHT], below = whole + all.of[RL_WINO_WHOLE];
  at.of[RL_WINO_WHOLE] += whole;
  at.of[RL_WINO_BELOW] += below;
  at.of[RL_WINO_CORNER] += below + all.of[RL_WINO_BELOW];
  return at;
}

/* Tiles t0..t1 of a source to `place` at `at`: of each part's groups the share-th of `shares` equal runs. */
static inline void read_tiles(const job *j, int64_t source, int64_t t0, int64_t t1, rl_wino_kinds place,
                              rl_wino_store at, int64_t share, int64_t shares) {
  int64_t group = 0;
  for (int p = 0; p < j->inner.parts; group += j->inner.lanes[p++] / j->group) {
    int64_t groups = j->inner.lanes[p] / j->group;
    rl_wino_read r = {.grid = &j->grid, .place = place, .t0 = t0, .t1 = t1, .group = group, .to = at};
    r.map = j->dy == NULL ? input_map(j, p) : output_map(j, source);
    r.g0 = groups * share / shares;
    r.g1 = groups * (share + 1) / shares;
    j->k->wino_read(&r);
  }
}

/* Where tiles t0..t1 of a map lie: whole rows of pixels, without the two that the tiles above have read. Nothing if it is more
** than L2 has room for. */
static inline rl_wino_ahead ahead_of(const job *j, const rl_wino_map *m, int64_t t0, int64_t t1) {
  int64_t each = j->grid.down * j->grid.across, half = m->up - 1, h = m->h >> half,
          row = (m->w >> half) * m->ld;
  if (t0 >= t1 || m->ld > 2 * m->channels) return (rl_wino_ahead){0};
  int64_t r0 = most(4 * (t0 % each / j->grid.across) + m->y0 + 2, 0) >> half,
          r1 = least(4 * ((t1 - 1) % each / j->grid.across) + m->y0 + 6, m->h) >> half;
  const float *from = m->x + (t0 / each * h + r0) * row, *to = m->x + ((t1 - 1) / each * h + r1) * row;
  int64_t bytes = (const char *)to - (const char *)from;
  return bytes > 0 && bytes <= AHEAD_BYTES ? (rl_wino_ahead){(const char *)from, bytes / 64}
                                           : (rl_wino_ahead){0};
}

static inline int vectors(const job *j, int64_t panel, const rl_wino_side *side) {
  return side->all - panel * j->panel > j->group ? 2 : 1;
}

#endif
