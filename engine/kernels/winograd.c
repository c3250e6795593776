/* Cuts Winograd convolutions into blocks (winograd.h). Forward and the gradient to the input, in one of three orders: a worker
** takes a block of tiles through input transform, products and output transform, with weights transformed once for all (or,
** where blocks are few, by each worker for itself); where tiles are very few, a worker takes a share of the channels that
** are summed over with its weights, and the shares are added at the end; or, where tiles are few and channels many, all
** tiles are transformed first and a worker takes one panel of outputs, making that panel's weights in its own scratch, so
** that they never go through memory. */
#include "kernels/winograd_job.h"

#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"

#include <string.h>

#define FEW_TILES  160 /* up to which weights are made panel by panel */
#define SLICE      128 /* inner lanes of such weights at a time: 36 x 128 x 32 floats stay in L2 */
#define PACK_LANES 64  /* inner lanes of a block of the weights' transform */
#define OWN_BLOCKS                                                                                           \
  4 /* of tiles, up to which a worker makes weights of its own, for another core's come slowly, */
#define OWN_WEIGHTS 262144    /* no more floats than stay in its L2; */
#define OWN_TILES   192       /* so many for each worker, and that is little of the work, */
#define OWN_MOST    (1 << 20) /* of no more floats than stay in L3 */
#define LANES_TILES 28        /* up to which workers share the inner lanes, not the tiles, */
#define LANES_EACH  64        /* in shares of so many lanes, */
#define LANES_PARTS 4         /* at most so many of them */
#define KEPT_TILES  256       /* up to which the turned weight is kept: beyond, it is little of the work */

/* Where the group that begins at outer lane `lane` goes to. */
static bool target(const job *j, int64_t source, int64_t lane, rl_wino_write *w) {
  int p = 0;
  while (p < j->outer.parts && lane >= j->outer.lanes[p]) lane -= j->outer.lanes[p++];
  if (p == j->outer.parts) return false;
  w->c0 = lane;
  w->channels = j->outer.channels[p];
  if (j->dx == NULL) {
    w->y = j->y;
    w->ld = j->s->ldy;
    w->bias = j->bias;
    return true;
  }
  const rl_conv_dx *dx = &j->dx[source * j->s->nparts + j->part_of[p]];
  w->y = dx->dx;
  w->ld = dx->ld;
  w->beta = dx->beta;
  w->part = &j->s->part[j->part_of[p]];
  if (dx->sums == NULL) w->sums = NULL;
  return w->y != NULL;
}

/* M of tiles t0..t1, which lie at `place`, in one panel to the points. */
static void write_panel(const job *j, int64_t source, int64_t block, int64_t t0, int64_t t1,
                        rl_wino_kinds place, int64_t panel, const float *m, int64_t m_frequency) {
  for (int64_t g = 0; g < 2; g++) {
    int64_t lane = panel * j->panel + g * j->group;
    rl_wino_write w = {.grid = &j->grid,
                       .place = place,
                       .m = m + g * j->group,
                       .m_frequency = m_frequency,
                       .t0 = t0,
                       .t1 = t1};
    w.row = j->outer.all;
    if (j->sums != NULL) w.sums = j->sums + (source * j->blocks + block) * 3 * w.row + lane;
    if (!target(j, source, lane, &w)) continue;
    if (j->dx == NULL)
      j->k->wino_forward(&w);
    else
      j->k->wino_back(&w);
  }
}

static bool wanted(const job *j, int64_t source) {
  if (j->dx == NULL) return true;
  for (int p = 0; p < j->s->nparts; p++)
    if (j->dx[source * j->s->nparts + p].dx != NULL) return true;
  return false;
}

static rl_wino_filter filter_of(const job *j, int64_t panel, int64_t k0, int64_t k1) {
  rl_wino_filter w = {.weight = j->weight, .cout = j->s->cout, .cin = j->s->cin, .flip = j->dx != NULL};
  w.inner = &j->inner;
  w.outer = &j->outer;
  w.k0 = k0;
  w.k1 = k1;
  w.panel = panel;
  w.turned = j->turned;
  return w;
}

static void turn_body(void *ctx, int64_t panel, int worker) {
  const job *j = ctx;
  rl_wino_filter w = filter_of(j, panel, 0, j->inner.all);
  w.turns = true;
  j->k->wino_filter(&w);
  (void)worker;
}

/* The weight turned into vectors of output channels, with its owner: a third of the time that its transform takes. */
static rl_status look_for_kept(job *j) {
  rl_kept *kept = j->s->kept;
  const void *by = &j->k->wino_filter;
  int64_t lanes = ceil_to(j->outer.all, j->group);
  if (kept == NULL || j->dx != NULL || j->all > KEPT_TILES) return RL_OK;
  if (kept->by != by || kept->n != lanes || kept->k != j->inner.all) {
    rl_mem_free(kept->panels, kept->bytes);
    *kept = (rl_kept){.n = lanes, .k = j->inner.all, .bytes = (size_t)(lanes * j->inner.all * 9) * 4};
    if (rl_mem_alloc(&kept->panels, kept->bytes) != RL_OK) return RL_OK; /* it goes without */
    j->turned = kept->panels;
    RL_TRY(rl_parallel(turn_body, j, j->panels));
    kept->by = by;
  }
  j->turned = kept->panels;
  return RL_OK;
}

/* One panel's weights, inner lanes k0..k1. */
static void filter(const job *j, int64_t panel, int64_t k0, int64_t k1, float *to, int64_t frequency) {
  rl_wino_filter w = filter_of(j, panel, k0, k1);
  w.to = to;
  w.frequency = frequency;
  j->k->wino_filter(&w);
}

static void pack_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  int64_t panel = block % j->panels, k0 = block / j->panels * PACK_LANES, all = j->inner.all;
  filter(j, panel, k0, least(k0 + PACK_LANES, all), j->u + panel * F * j->of_u + k0 * j->panel, j->of_u);
  (void)worker;
}

static void block_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  int64_t source = block / j->blocks, b = block % j->blocks;
  int64_t t0 = j->each * b / j->blocks, t1 = j->each * (b + 1) / j->blocks;
  if (!wanted(j, source)) return;
  float *v = j->scratch + worker * j->scratch_floats, *m = v + F * j->of_v;
  float *u = j->made == NULL ? j->u : m + F * j->of_m;
  if (j->made != NULL && !j->made[worker]) {
    for (int64_t p = 0; p < j->panels; p++) filter(j, p, 0, j->inner.all, u + p * F * j->of_u, j->of_u);
    j->made[worker] = true;
  }
  rl_wino_store at = {v, j->of_v, j->lane_step, j->panel, j->group};
  rl_wino_kinds tiles = kinds_of(&j->grid, t0, t1), place = place_of(&j->grid, t0, t1, t0);
  read_tiles(j, source, t0, t1, place, at, 0, 1);
  int64_t next = b + 1 < j->blocks ? j->each * (b + 2) / j->blocks : t1;
  rl_wino_map map = j->dy == NULL ? input_map(j, 0) : output_map(j, source);
  rl_wino_ahead ahead = ahead_of(j, &map, t1, next);
  for (int64_t p = 0; p < j->panels; p++) {
    rl_wino_product q = {
        .grid = &j->grid, .tiles = tiles, .v = v, .v_frequency = at.frequency, .v_tile = at.tile, .m = m};
    int64_t line = ahead.lines * p / j->panels;
    q.ahead = (rl_wino_ahead){ahead.at + 64 * line, ahead.lines * (p + 1) / j->panels - line};
    q.u = u + p * F * j->of_u;
    q.u_frequency = j->of_u;
    q.m_frequency = j->of_m;
    q.depth = j->inner.all;
    q.vectors = vectors(j, p, &j->outer);
    j->k->wino_product(&q);
    write_panel(j, source, b, t0, t1, place, p, m, q.m_frequency);
  }
}

/* One share of the inner lanes, over all tiles: what a worker makes stays with it. */
static void lanes_body(void *ctx, int64_t part, int worker) {
  const job *j = ctx;
  int64_t k0 = j->inner.all * part / j->parts, k1 = j->inner.all * (part + 1) / j->parts;
  float *v = j->scratch + worker * j->scratch_floats, *u = v + F * j->of_v;
  rl_wino_read r = {.grid = &j->grid, .t1 = j->each, .g0 = k0 / j->group, .g1 = k1 / j->group};
  r.group = -r.g0;
  for (int64_t s = 0; s < j->sources; s++) {
    r.map = j->dy == NULL ? input_map(j, 0) : output_map(j, s);
    r.to = (rl_wino_store){v, j->of_v, j->lane_step, j->panel, j->group};
    r.place = place_of(&j->grid, 0, j->all, s * j->each);
    if (wanted(j, s)) j->k->wino_read(&r);
  }
  rl_wino_product q = {
      .grid = &j->grid, .v = v, .v_frequency = j->of_v, .v_tile = j->lane_step, .depth = k1 - k0};
  q.tiles = kinds_of(&j->grid, 0, j->all);
  q.u = u, q.u_frequency = j->of_u, q.m_frequency = j->of_m;
  for (int64_t p = 0; p < j->panels; p++) {
    filter(j, p, k0, k1, u, j->of_u);
    q.m = j->m + part * j->part + p * F * j->of_m;
    q.vectors = vectors(j, p, &j->outer);
    j->k->wino_product(&q);
  }
}

/* Adds the shares' products of one kind of tiles to the first one's, in their order. */
static void join(const job *j, float *m, int kind, int64_t tiles) {
  bool right = kind & RL_WINO_RIGHT, below = kind & RL_WINO_BELOW;
  for (int f = 0; f < F && tiles > 0; f++) {
    if (!rl_wino_has(below ? j->grid.high : 4, f / 6) || !rl_wino_has(right ? j->grid.wide : 4, f % 6))
      continue;
    for (int64_t part = 1; part < j->parts; part++)
      j->k->axpy_f32(m + f * j->of_m, m + part * j->part + f * j->of_m, 1, 1, (size_t)(tiles * j->panel));
  }
}

/* A block of tiles, whose shares' products are added. */
static void join_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  int64_t source = block / j->blocks, b = block % j->blocks;
  int64_t t0 = j->each * b / j->blocks, t1 = j->each * (b + 1) / j->blocks;
  rl_wino_kinds tiles = kinds_of(&j->grid, t0, t1),
                place = place_of(&j->grid, 0, j->all, source * j->each + t0);
  (void)worker;
  for (int64_t p = 0; p < j->panels && wanted(j, source); p++) {
    float *m = j->m + p * F * j->of_m;
    for (int kind = 0; kind < RL_WINO_KINDS; kind++)
      join(j, m + place.of[kind] * j->panel, kind, tiles.of[kind]);
    write_panel(j, source, b, t0, t1, place, p, m, j->of_m);
  }
}

/* All tiles of all sources, for a share of the channels. */
static void stage_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  int64_t run = block % j->runs, share = block / j->runs % j->shares, source = block / j->runs / j->shares;
  int64_t t0 = j->each * run / j->runs, t1 = j->each * (run + 1) / j->runs;
  rl_wino_store at = {j->v, j->of_v, j->lane_step, j->panel, j->group};
  read_tiles(j, source, t0, t1, place_of(&j->grid, 0, j->all, source * j->each + t0), at, share, j->shares);
  (void)worker;
}

static void panel_body(void *ctx, int64_t panel, int worker) {
  const job *j = ctx;
  float *u = j->scratch + worker * j->scratch_floats, *m = u + F * j->of_u;
  rl_wino_product q = {.grid = &j->grid, .u = u, .u_frequency = j->of_u, .m = m, .m_frequency = j->of_m};
  q.v_frequency = j->of_v;
  q.v_tile = j->lane_step;
  q.tiles = kinds_of(&j->grid, 0, j->all);
  q.vectors = vectors(j, panel, &j->outer);
  for (int64_t k = 0; k < j->inner.all; k += SLICE) {
    q.depth = least(SLICE, j->inner.all - k);
    q.v = j->v + k;
    q.add = k > 0;
    filter(j, panel, k, k + q.depth, u, q.u_frequency);
    j->k->wino_product(&q);
  }
  for (int64_t s = 0; s < j->sources; s++)
    write_panel(j, s, 0, 0, j->each, place_of(&j->grid, 0, j->all, s * j->each), panel, m, q.m_frequency);
}

static bool in_stages(const job *j) {
  return j->sources * j->each <= FEW_TILES && j->panels >= 4 && j->inner.all >= 2 * SLICE;
}

/* Blocks even in number, so that two workers end together, and equal in size. */
static void cut(job *j) {
  j->all = j->sources * j->each;
  j->blocks = 1;
  if (in_stages(j)) return;
  int64_t rows = j->k->tile_rows, whole = most(1, BLOCK_TILES / rows) * rows;
  j->blocks = (j->each + whole - 1) / whole;
  if (j->blocks > 1) j->blocks = ceil_to(j->blocks, 2);
  j->tiles = (j->each + j->blocks - 1) / j->blocks;
}

/* How many shares of the inner lanes, of whole panels each; 1: they are not shared. */
static int64_t lane_parts(const job *j) {
  int64_t parts = least(LANES_PARTS, j->inner.all / LANES_EACH);
  bool can = !in_stages(j) && j->sources * j->each <= LANES_TILES && j->inner.parts == 1 && parts > 1;
  return can && j->inner.all % (parts * j->panel) == 0 ? parts : 1;
}

static rl_status in_blocks(job *j) {
  if (j->made == NULL) RL_TRY(rl_parallel(pack_body, j, j->panels * rl_blocks(j->inner.all, PACK_LANES)));
  return rl_parallel(block_body, j, j->sources * j->blocks);
}

static rl_status in_lanes(job *j) {
  RL_TRY(rl_parallel(lanes_body, j, j->parts));
  return rl_parallel(join_body, j, j->sources * j->blocks);
}

static rl_status by_stages(job *j) {
  j->runs = rl_blocks(j->each, 2 * BLOCK_TILES);
  j->shares = most(1, j->inner.all / 128);
  RL_TRY(rl_parallel(stage_body, j, j->runs * j->shares * j->sources));
  return rl_parallel(panel_body, j, j->panels);
}

/* Geometry and sides stand; `summed` asks for sums. */
static rl_status run(job *j, bool summed, void (*finish)(job *, double *), double *out) {
  j->panels = (j->outer.all + j->panel - 1) / j->panel;
  cut(j);
  RL_TRY(look_for_kept(j));
  j->parts = lane_parts(j);
  bool stages = in_stages(j), lanes = j->parts > 1, made[RL_THREADS_MAX] = {false};
  int64_t tiles = stages || lanes ? j->all : j->tiles;
  j->lane_step = odd(j->inner.all / j->parts);
  j->of_u = odd((stages ? SLICE : j->inner.all / j->parts) * j->panel);
  j->of_v = odd(tiles * j->lane_step);
  j->of_m = odd(tiles * j->panel);
  j->part = j->panels * F * j->of_m;
  int64_t u = stages || lanes ? 0 : j->panels * F * j->of_u, v = stages ? F * j->of_v : 0,
          m = lanes ? j->parts * j->part : 0;
  bool few = j->sources * j->blocks <= OWN_BLOCKS && u <= OWN_WEIGHTS,
       many = j->all >= OWN_TILES * rl_threads_get() && u <= OWN_MOST,
       own = !stages && !lanes && (few || many);
  j->made = own ? made : NULL;
  j->scratch_floats = F * (stages  ? j->of_m + j->of_u
                           : lanes ? j->of_v + j->of_u
                                   : j->of_v + j->of_m) +
                      (own ? u : 0);
  if (own) u = 0;
  int64_t sums = summed ? j->sources * j->blocks * 3 * j->outer.all : 0;
  size_t bytes = (size_t)sums * sizeof(double) +
                 (size_t)(u + v + m + j->scratch_floats * rl_threads_get()) * sizeof(float);
  void *memory = NULL;
  RL_TRY(rl_mem_alloc(&memory, bytes));
  j->sums = summed ? memory : NULL;
  j->u = (float *)((double *)memory + sums);
  j->v = j->u + u;
  j->m = j->v + v;
  j->scratch = j->m + m;
  rl_fpmode mode = rl_fp_enter();
  rl_status status = stages ? by_stages(j) : lanes ? in_lanes(j) : in_blocks(j);
  if (summed && status == RL_OK) finish(j, out);
  rl_fp_leave(mode);
  rl_mem_free(memory, bytes);
  return status;
}

/* Points in tiles t0..t1. */
static int64_t points(const rl_wino_grid *g, int64_t t0, int64_t t1) {
  int64_t sum = 0, each = g->down * g->across;
  for (int64_t t = t0; t < t1; t++) {
    int64_t row = t % each / g->across, column = t % g->across;
    sum += least(4, g->gh - 4 * row) * least(4, g->gw - 4 * column);
  }
  return sum;
}

/* Joins the blocks' means and squared deviations in their order: exact but for rounding (Chan et al. 1979). */
static void moments_finish(job *j, double *out) {
  int64_t cout = j->s->cout, lanes = j->outer.all;
  double n = 0, *mean = out, *square = out + cout;
  for (int64_t b = 0; b < j->blocks; b++) {
    const double *pivot = j->sums + b * 3 * lanes, *sum = pivot + lanes, *sq = sum + lanes;
    double own = (double)points(&j->grid, j->each * b / j->blocks, j->each * (b + 1) / j->blocks);
    double share = own / (n + own), one = 1 / own;
    for (int64_t c = 0; c < cout; c++) {
      double off = sum[c] * one, delta = pivot[c] + off - (b == 0 ? 0 : mean[c]);
      double deviations = sq[c] - sum[c] * off;
      square[c] = b == 0 ? deviations : square[c] + deviations + delta * delta * n * share;
      mean[c] = b == 0 ? delta : mean[c] + delta * share;
    }
    n += own;
  }
  for (int64_t c = 0; c < cout; c++) square[c] = square[c] > 0 ? square[c] / n : square[c] * 0;
}

rl_status rl_winograd_forward(const rl_conv *s, const void *weight, const void *bias, void *y,
                              double *moments) {
  job j = {.weight = weight, .bias = bias, .y = y, .sources = 1};
  job_start(&j, s);
  grid_of(&j, s->oh, s->ow);
  input_side(&j, &j.inner);
  side_add(&j.outer, s->cout, 0, j.group);
  return run(&j, moments != NULL, moments_finish, moments);
}

static void sums_finish(job *j, double *unused) {
  (void)unused;
  int64_t lanes = j->outer.all;
  for (int64_t s = 0; s < j->sources; s++)
    for (int64_t p = 0, lane = 0; p < j->outer.parts; lane += j->outer.lanes[p++]) {
      const rl_conv_dx *dx = &j->dx[s * j->s->nparts + j->part_of[p]];
      int64_t channels = j->outer.channels[p];
      if (dx->dx == NULL || dx->sums == NULL) continue;
      memset(dx->sums, 0, (size_t)(3 * channels) * sizeof(double));
      for (int64_t b = 0; b < j->blocks; b++)
        for (int64_t r = 0; r < 3; r++) {
          const double *from = j->sums + ((s * j->blocks + b) * 3 + r) * lanes + lane;
          for (int64_t c = 0; c < channels; c++) dx->sums[r * channels + c] += from[c];
        }
    }
}

rl_status rl_winograd_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                                const rl_conv_dx *dx) {
  job j = {.weight = weight, .dy = dy, .dx = dx, .sources = count};
  job_start(&j, s);
  grid_of(&j, s->h, s->w);
  side_add(&j.inner, s->cout, 0, j.group);
  bool summed = false;
  for (int64_t p = 0, at = 0; p < s->nparts; at += s->part[p++].channels) {
    bool made = false;
    for (int c = 0; c < count; c++) {
      made = made || dx[c * s->nparts + p].dx != NULL;
      summed = summed || (dx[c * s->nparts + p].dx != NULL && dx[c * s->nparts + p].sums != NULL);
    }
    if (!made) continue;
    j.part_of[j.outer.parts] = (int)p;
    side_add(&j.outer, s->part[p].channels, at, j.group);
  }
  return j.outer.parts == 0 ? RL_OK : run(&j, summed, sums_finish, NULL);
}
