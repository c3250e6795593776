/* Winograd's gradient to the weight (winograd.h). A unit of work is a part of the tiles and a range of channels: its worker
** transforms what it needs, some tiles at a time, and multiplies that into sums of its own. Nothing passes from core to core
** but the sums of parts at the end: where cores share no cache, a line another one wrote or read costs more than some channels
** transformed twice. */
#include "kernels/winograd_job.h"

#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"

/* How many parts of the tiles, by pairs of an input panel and a group of 16 outputs, 74 KiB of sums each: */
#define NEAR_PAIRS  8                  /* sums that stay in L2 */
#define NEAR_PARTS  8                  /* at most, */
#define PART_TILES  256                /* each of at least so many, */
#define NEAR_TILES  28                 /* transformed at a time; */
#define FAR_PAIRS   32                 /* sums that stay in L3 */
#define FAR_PARTS   2                  /* so that they are not touched too often: */
#define STEP_BYTES  ((int64_t)4 << 20) /* of transformed tiles at a time, */
#define STEP_TILES  112                /* but at least so many; */
#define HELD_TILES  80 /* one part and so few tiles: a panel of them stays in L2, and so do the sums */
#define HELD_GROUPS 2  /* of so many groups, until they are folded */

/* The panels and groups of a run: of inputs and outputs the more are cut, the fewer transformed in every run. */
typedef struct range {
  int64_t p0, p1, g0, g1;
} range;

static bool cuts_panels(const job *j) { return 2 * j->panels >= j->groups; }

static range range_of(const job *j, int64_t run) {
  range r = {0, j->panels, 0, j->groups};
  if (cuts_panels(j))
    r.p0 = j->panels * run / j->runs, r.p1 = j->panels * (run + 1) / j->runs;
  else
    r.g0 = j->groups * run / j->runs, r.g1 = j->groups * (run + 1) / j->runs;
  return r;
}

static void read_input(const job *j, const range *r, int64_t t0, int64_t t1, rl_wino_kinds place, float *v) {
  rl_wino_store at = {v, j->of_v, j->panel, F * j->of_v, j->group};
  int64_t first = 2 * r->p0, end = 2 * r->p1; /* groups */
  for (int p = 0; p < j->inner.parts; p++) {
    int64_t groups = j->inner.lanes[p] / j->group;
    rl_wino_read read = {.grid = &j->grid, .place = place, .t0 = t0, .t1 = t1, .group = -first, .to = at};
    read.map = input_map(j, p);
    read.g0 = least(most(first, 0), groups);
    read.g1 = least(most(end, 0), groups);
    if (read.g0 < read.g1) j->k->wino_read(&read);
    first -= groups, end -= groups;
  }
}

static rl_wino_map cotangent_map(const job *j, int64_t source) {
  return (rl_wino_map){j->from[source], j->s->oh, j->s->ow, 0, 0, j->s->ldy, j->s->cout, 1, &no_prologue};
}

static void read_cotangent(const job *j, int64_t source, const range *r, int64_t t0, int64_t t1,
                           rl_wino_kinds place, float *d) {
  rl_wino_store at = {d, j->of_d, j->group, 2 * F * j->of_d, F * j->of_d};
  rl_wino_read read = {.grid = &j->grid, .place = place, .t0 = t0, .t1 = t1, .group = -r->g0, .to = at};
  read.g0 = r->g0;
  read.g1 = r->g1;
  read.map = cotangent_map(j, source);
  j->k->wino_read_dy(&read);
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

static float *sums_of(const job *j, int64_t source, int64_t group, int64_t panel) {
  return j->du + ((source * j->groups + group) * j->panels + panel) * F * j->of_m;
}

/* All tiles of one panel and two groups after another. */
static void pair_by_pair(const job *j, int64_t source, const range *r, rl_wino_outer o, float *u) {
  const float *v = o.v, *d = o.d;
  o.u = u;
  o.u_group = F * j->of_m;
  o.panels = 1;
  for (int64_t p = r->p0; p < r->p1; p++)
    for (int64_t g = r->g0; g < r->g1; g += o.groups) {
      o.v = v + (p - r->p0) * F * j->of_v;
      o.d = d + (g - r->g0) * F * j->of_d;
      o.groups = least(HELD_GROUPS, r->g1 - g);
      o.vectors = vectors(j, p, &j->inner);
      j->k->wino_outer(&o);
      for (int64_t i = 0; i < o.groups; i++) fold(j, source, g + i, p, u + i * F * j->of_m);
    }
}

static void unit_body(void *ctx, int64_t unit, int worker) {
  const job *j = ctx;
  int64_t part = unit / j->runs;
  int64_t t0 = j->each * part / j->parts, tiles = j->each * (part + 1) / j->parts - t0;
  const range r = range_of(j, unit % j->runs);
  float *v = j->scratch + worker * j->scratch_floats, *d = v + (r.p1 - r.p0) * F * j->of_v,
        *u = d + (r.g1 - r.g0) * F * j->of_d;
  rl_wino_outer o = {.grid = &j->grid, .v = v, .d = d, .panels = r.p1 - r.p0, .groups = r.g1 - r.g0};
  o.v_frequency = j->of_v;
  o.d_frequency = j->of_d;
  o.u_frequency = j->of_m;
  o.u_group = j->panels * F * j->of_m;
  o.vectors = vectors(j, r.p1 - 1, &j->inner);
  o.far = j->groups * j->panels > NEAR_PAIRS && !j->held;
  for (int64_t s = 0; s < j->rounds; s++) {
    int64_t a = t0 + tiles * s / j->rounds, b = t0 + tiles * (s + 1) / j->rounds;
    rl_wino_kinds place = place_of(&j->grid, a, b, a);
    o.tiles = kinds_of(&j->grid, a, b);
    o.add = s > 0;
    int64_t next = s + 1 < j->rounds ? t0 + tiles * (s + 2) / j->rounds : b;
    rl_wino_map x = input_map(j, 0), dy = cotangent_map(j, 0);
    o.ahead[0] = ahead_of(j, &x, b, next);
    o.ahead[1] = ahead_of(j, &dy, b, next);
    read_input(j, &r, a, b, place, v);
    for (int64_t source = 0; source < j->sources; source++) {
      if (j->dweight[source] == NULL) continue;
      read_cotangent(j, source, &r, a, b, place, d);
      if (j->held) {
        pair_by_pair(j, source, &r, o, u);
        continue;
      }
      o.u = sums_of(j, source, r.g0, r.p0) + part * j->part;
      j->k->wino_outer(&o);
    }
  }
}

/* In runs, as the sums were made. */
static void fold_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  int64_t source = block / (j->groups * j->panels), pair = block % (j->groups * j->panels);
  bool cut = cuts_panels(j);
  int64_t panel = cut ? pair / j->groups : pair % j->panels,
          group = cut ? pair % j->groups : pair / j->panels;
  if (j->dweight[source] != NULL) fold(j, source, group, panel, sums_of(j, source, group, panel));
  (void)worker;
}

/* Into parts and steps, which the sums depend on and threads must not change; into runs for the threads there are; and from one
** frequency to the next. */
static void cut_weight(job *j) {
  int64_t pairs = j->groups * j->panels, lanes = j->groups * j->group + j->panels * j->panel;
  int64_t parts = pairs <= NEAR_PAIRS ? NEAR_PARTS : pairs <= FAR_PAIRS ? FAR_PARTS : 1;
  while (parts > 1 && j->each / parts < PART_TILES) parts /= 2;
  j->parts = parts;
  int64_t part = rl_blocks(j->each, j->parts);
  int64_t step = most(STEP_TILES, STEP_BYTES / (F * lanes * (int64_t)sizeof(float)));
  j->rounds = rl_blocks(part, pairs <= NEAR_PAIRS ? NEAR_TILES : step);
  j->held = j->parts * j->rounds == 1 && part <= HELD_TILES;
  int threads = rl_threads_get();
  j->runs = 1;
  while (j->runs * j->parts % threads != 0 && j->parts < 2 * threads) j->runs++;
  j->runs = least(j->runs, most(j->panels, j->groups / 2));
  int64_t tiles = rl_blocks(part, j->rounds) | 1; /* odd: no two frequencies a multiple of 4096 bytes apart */
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
  j.part = count * j.groups * j.panels * F * j.of_m;
  int64_t panels = cuts_panels(&j) ? rl_blocks(j.panels, j.runs) : j.panels,
          groups = cuts_panels(&j) ? j.groups : rl_blocks(j.groups, j.runs);
  j.scratch_floats = F * (panels * j.of_v + groups * j.of_d + (j.held ? HELD_GROUPS * j.of_m : 0));
  int64_t sums = j.held ? 0 : j.parts * j.part;
  size_t bytes = (size_t)(sums + rl_threads_get() * j.scratch_floats) * sizeof(float);
  void *memory = NULL;
  RL_TRY(rl_mem_alloc(&memory, bytes));
  j.du = memory;
  j.scratch = j.du + sums;
  rl_fpmode mode = rl_fp_enter();
  rl_status status = rl_parallel(unit_body, &j, j.parts * j.runs);
  if (status == RL_OK && !j.held) status = rl_parallel(fold_body, &j, count * j.groups * j.panels);
  rl_fp_leave(mode);
  rl_mem_free(memory, bytes);
  return status;
}
