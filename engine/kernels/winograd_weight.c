/* Winograd's gradient to the weight (winograd.h), in one of two orders. With few pairs of an input panel and a group of 16 outputs
** a worker takes a part of the tiles, transforms some, and multiplies them into sums of its own, all of it in its L2; the parts
** are added at the end. With many, in rounds: all transforms of some tiles, then all products; a unit of products is one
** panel and two groups of one cotangent. */
#include "kernels/winograd_job.h"

#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"

#define ROUND_BYTES                                                                                          \
  ((int64_t)4 << 20)    /* of transformed tiles between two touches of the weight's gradient, */
#define ROUND_TILES 112 /* but at least so many tiles */
#define OWN_TILES   28  /* between two touches of sums of a worker's own, */
#define OWN_PAIRS   8   /* which are of at most so many pairs of a panel and a group (74 KiB each), */
#define OWN_PARTS   8   /* of so many parts of the tiles, */
#define PART_TILES  64  /* each of at least so many */

static void read_input(const job *j, int64_t t0, int64_t t1, rl_wino_kinds place, float *v) {
  rl_wino_store at = {v, j->of_v, j->panel, F * j->of_v, j->group};
  read_tiles(j, 0, t0, t1, place, at, 0, 1);
}

static void read_cotangent(const job *j, int64_t source, int64_t t0, int64_t t1, rl_wino_kinds place,
                           float *d) {
  rl_wino_store at = {d, j->of_d, j->group, 2 * F * j->of_d, F * j->of_d};
  rl_wino_read r = {.grid = &j->grid, .place = place, .t0 = t0, .t1 = t1, .to = at, .g1 = j->groups};
  r.map = (rl_wino_map){j->from[source], j->s->oh, j->s->ow, 0, 0, j->s->ldy, j->s->cout, 1, &no_prologue};
  j->k->wino_read_dy(&r);
}

static rl_wino_outer products(const job *j, int64_t panel, int64_t panels) {
  rl_wino_outer o = {.grid = &j->grid, .panels = panels};
  o.v_frequency = j->of_v;
  o.d_frequency = j->of_d;
  o.u_frequency = j->of_m;
  o.vectors = vectors(j, panel + panels - 1, &j->inner);
  return o;
}

/* dU of one panel and group to the weight's gradient. */
static void fold(const job *j, int64_t source, int64_t group, int64_t panel, const float *u) {
  rl_wino_fold f = {.u = u, .inner = &j->inner, .cin = j->s->cin, .c0 = group * j->group, .panel = panel};
  f.u_frequency = j->of_m;
  f.count = least(j->group, j->s->cout - f.c0);
  f.dweight = j->dweight[source];
  f.beta = j->beta[source];
  f.parts = j->parts;
  f.part = j->part;
  j->k->wino_fold(&f);
}

/* Tiles of this round: the input's (source -1), or one cotangent's. */
static void round_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  int64_t run = block % j->runs, source = block / j->runs - 1, tiles = j->t1 - j->t0;
  int64_t t0 = j->t0 + tiles * run / j->runs, t1 = j->t0 + tiles * (run + 1) / j->runs;
  rl_wino_kinds place = place_of(&j->grid, j->t0, j->t1, t0);
  (void)worker;
  if (source < 0)
    read_input(j, t0, t1, place, j->v);
  else if (j->dweight[source] != NULL)
    read_cotangent(j, source, t0, t1, place, j->d + source * j->groups * F * j->of_d);
}

#define UNIT_GROUPS 2

static void unit_body(void *ctx, int64_t unit, int worker) {
  const job *j = ctx;
  int64_t pairs = (j->groups + UNIT_GROUPS - 1) / UNIT_GROUPS, panel = unit / (j->sources * pairs),
          source = unit / pairs % j->sources, g0 = unit % pairs * UNIT_GROUPS,
          g1 = least(g0 + UNIT_GROUPS, j->groups);
  if (j->dweight[source] == NULL) return;
  float *u = j->first && j->last ? j->scratch + worker * j->scratch_floats
                                 : j->du + unit * UNIT_GROUPS * F * j->of_m;
  rl_wino_outer o = products(j, panel, 1);
  o.tiles = kinds_of(&j->grid, j->t0, j->t1);
  o.u = u;
  o.v = j->v + panel * F * j->of_v;
  o.d = j->d + (source * j->groups + g0) * F * j->of_d;
  o.groups = g1 - g0;
  o.add = !j->first;
  j->k->wino_outer(&o);
  for (int64_t g = g0; g < g1 && j->last; g++) fold(j, source, g, panel, u + (g - g0) * F * j->of_m);
}

static rl_status in_rounds(job *j) {
  for (int64_t r = 0; r < j->rounds; r++) {
    j->t0 = j->each * r / j->rounds;
    j->t1 = j->each * (r + 1) / j->rounds;
    j->first = r == 0;
    j->last = r == j->rounds - 1;
    j->runs = rl_blocks(j->t1 - j->t0, BLOCK_TILES);
    RL_TRY(rl_parallel(round_body, j, j->runs * (1 + j->sources)));
    RL_TRY(rl_parallel(unit_body, j, j->panels * j->sources * rl_blocks(j->groups, UNIT_GROUPS)));
  }
  return RL_OK;
}

static void part_body(void *ctx, int64_t part, int worker) {
  const job *j = ctx;
  int64_t t0 = j->each * part / j->parts, tiles = j->each * (part + 1) / j->parts - t0;
  int64_t steps = rl_blocks(tiles, OWN_TILES);
  float *v = j->scratch + worker * j->scratch_floats, *d = v + F * j->panels * j->of_v;
  rl_wino_outer o = products(j, 0, j->panels);
  o.v = v;
  o.d = d;
  o.groups = j->groups;
  for (int64_t s = 0; s < steps; s++) {
    int64_t a = t0 + tiles * s / steps, b = t0 + tiles * (s + 1) / steps;
    rl_wino_kinds place = place_of(&j->grid, a, b, a);
    o.tiles = kinds_of(&j->grid, a, b);
    o.add = s > 0;
    read_input(j, a, b, place, v);
    for (int64_t source = 0; source < j->sources; source++) {
      if (j->dweight[source] == NULL) continue;
      read_cotangent(j, source, a, b, place, d);
      o.u = j->du + part * j->part + source * j->groups * j->panels * F * j->of_m;
      j->k->wino_outer(&o);
    }
  }
}

static void fold_body(void *ctx, int64_t pair, int worker) {
  const job *j = ctx;
  int64_t panel = pair % j->panels, group = pair / j->panels % j->groups,
          source = pair / j->panels / j->groups;
  if (j->dweight[source] != NULL) fold(j, source, group, panel, j->du + pair * F * j->of_m);
  (void)worker;
}

static rl_status in_parts(job *j) {
  RL_TRY(rl_parallel(part_body, j, j->parts));
  return rl_parallel(fold_body, j, j->sources * j->groups * j->panels);
}

/* Rounds, or parts; and from one frequency to the next. */
static void cut_weight(job *j) {
  int64_t lanes = j->sources * j->groups * j->group + j->panels * j->panel;
  int64_t round = most(ROUND_TILES, ROUND_BYTES / (F * lanes * (int64_t)sizeof(float)));
  bool few = j->groups * j->panels <= OWN_PAIRS;
  j->parts = few ? most(1, least(OWN_PARTS, j->each / PART_TILES)) : 1;
  j->rounds = j->parts > 1 ? 0 : rl_blocks(j->each, round);
  int64_t tiles = j->parts > 1 ? OWN_TILES : (j->each + j->rounds - 1) / j->rounds;
  tiles |= 1; /* odd: no two frequencies a multiple of 4096 bytes apart */
  j->of_v = odd(tiles * j->panel);
  j->of_d = odd(tiles * j->group);
  j->of_m = odd(j->group * j->panel);
}

rl_status rl_winograd_back_weight(const rl_conv *s, int count, const void *const *dy, void *const *dweight,
                                  const double *beta) {
  job j = {.from = dy, .dweight = dweight, .beta = beta, .sources = count};
  job_start(&j, s);
  grid_of(&j, s->oh, s->ow);
  input_side(&j, &j.inner);
  j.groups = (s->cout + j.group - 1) / j.group;
  j.panels = (j.inner.all + j.panel - 1) / j.panel;
  cut_weight(&j);
  bool own = j.parts > 1;
  int64_t unit = UNIT_GROUPS * F * j.of_m, units = j.panels * count * rl_blocks(j.groups, UNIT_GROUPS);
  int64_t v = F * j.panels * j.of_v, d = F * j.groups * j.of_d, shared = own ? 0 : v + count * d;
  j.part = own ? count * j.groups * j.panels * F * j.of_m : 0;
  j.scratch_floats = own ? v + d : unit;
  int64_t sums = own ? j.parts * j.part : j.rounds > 1 ? units * unit : 0;
  size_t bytes = (size_t)(shared + sums + rl_threads_get() * j.scratch_floats) * sizeof(float);
  void *memory = NULL;
  RL_TRY(rl_mem_alloc(&memory, bytes));
  j.v = memory;
  j.d = j.v + v;
  j.du = j.v + shared;
  j.scratch = j.du + sums;
  rl_fpmode mode = rl_fp_enter();
  rl_status status = own ? in_parts(&j) : in_rounds(&j);
  rl_fp_leave(mode);
  rl_mem_free(memory, bytes);
  return status;
}
