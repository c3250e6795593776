/* conv_check: convolution and its gradients against plain loops in double, on every rung, with 1 to 4 threads giving the
** same bytes and nothing written between the channels. */
#include "base/rng.h"
#include "base/status.h"
#include "kernels/conv.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t draws;
static double draw(void) { return rl_normal(21, RL_STREAM_USER, 0, 0, draws++); }
static int64_t pick(int64_t lo, int64_t hi) {
  return lo + (int64_t)(rl_uniform(22, RL_STREAM_USER, 0, 0, draws++) * (double)(hi - lo + 1));
}

static rl_dtype type;
static size_t bytes_of(int64_t n) { return (size_t)n * (type == RL_F64 ? 8 : 4); }

static void *narrow(const double *v,
                    int64_t n) { /* as the engine's type; `v` keeps the rounded value's double */
  void *p = malloc(bytes_of(n) + 8);
  for (int64_t i = 0; i < n; i++)
    if (type == RL_F64)
      ((double *)p)[i] = v[i];
    else
      ((float *)p)[i] = (float)v[i];
  return p;
}
static double *filled(int64_t n) {
  double *v = malloc((size_t)(n + 1) * sizeof *v);
  for (int64_t i = 0; i < n; i++) v[i] = (double)(float)draw();
  return v;
}
static double get(const void *p, int64_t i) {
  return type == RL_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static double seen(const rl_conv *s, const double *x, const double *scale, const double *shift, int64_t at,
                   int64_t c) {
  if (s->px.scale == NULL) return x[at];
  double v = x[at] * scale[c] + shift[c];
  return s->px.relu && v < 0 ? 0 : v;
}

typedef struct data {
  int64_t nx, ny, nw;
  double *x, *dy, *w, *bias, *scale, *shift, *dx0, *dw0;
  double *y, *dx, *dw; /* what plain loops give */
} data;

/* Every product of an output, an input and a weight, once. */
static void plain(const rl_conv *s, data *d) {
  int64_t ci = s->cin / s->groups, co = s->cout / s->groups;
  for (int64_t n = 0; n < s->n; n++)
    for (int64_t oy = 0; oy < s->oh; oy++)
      for (int64_t ox = 0; ox < s->ow; ox++)
        for (int64_t o = 0; o < s->cout; o++) {
          int64_t yat = ((n * s->oh + oy) * s->ow + ox) * s->ldy + o;
          d->y[yat] = d->bias[o];
          for (int64_t k = 0; k < s->kh * s->kw; k++) {
            int64_t iy = oy * s->stride[0] - s->pad[0] + k / s->kw * s->dilation[0];
            int64_t ix = ox * s->stride[1] - s->pad[1] + k % s->kw * s->dilation[1];
            if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) continue;
            for (int64_t c = 0; c < ci; c++) {
              int64_t in = o / co * ci + c, xat = ((n * s->h + iy) * s->w + ix) * s->ldx + in;
              int64_t wat = (o * ci + c) * s->kh * s->kw + k;
              double x = seen(s, d->x, d->scale, d->shift, xat, in);
              d->y[yat] += x * d->w[wat];
              d->dx[xat] += d->dy[yat] * d->w[wat];
              d->dw[wat] += d->dy[yat] * x;
            }
          }
        }
}

/* Largest difference over the tolerance; sums are of at most `terms` numbers of size about 1. */
static double worst(const void *got, const double *want, int64_t n, int64_t channels, int64_t ld,
                    double terms) {
  double w = 0, unit = type == RL_F64 ? 0x1p-53 : 0x1p-24;
  for (int64_t i = 0; i < n; i++) {
    double e = fabs(get(got, i) - want[i]) / (i % ld >= channels ? 1e-300 : unit * 30 * (terms + 10));
    if (!(e <= w)) w = e;
  }
  return w;
}

static int judge(const char *what, double e, const void *got, void **first, size_t bytes, int threads) {
  if (threads == 1) {
    *first = malloc(bytes + 1);
    memcpy(*first, got, bytes);
    return e <= 1 ? 0 : printf("%s: error %.2f of the bound\n", what, e);
  }
  int differs = memcmp(*first, got, bytes) != 0;
  if (threads == 4 || differs) free(*first);
  return differs ? printf("%s: differs with %d threads\n", what, threads) : 0;
}

static int run(const rl_conv *s, data *d, int threads, void **first) {
  void *x = narrow(d->x, d->nx), *w = narrow(d->w, d->nw), *bias = narrow(d->bias, s->cout),
       *dy = narrow(d->dy, d->ny);
  void *scale = narrow(d->scale, s->cin), *shift = narrow(d->shift, s->cin);
  double *gap = calloc((size_t)d->ny + 1, sizeof *gap); /* y's gaps must stay as they are: 0 */
  void *y = narrow(gap, d->ny), *dx = narrow(d->dx0, d->nx), *dx2 = narrow(d->dx0, d->nx),
       *dw = narrow(d->dw0, d->nw);
  rl_conv t = *s;
  if (s->px.scale != NULL) t.px = (rl_prologue){scale, shift, s->px.relu};
  double beta[3] = {1, 1, 1};
  const void *dys[] = {dy, dy, dy};
  void *dxs[] = {dx, NULL, dx2};
  int bad = rl_conv_forward(&t, x, w, bias, y) != RL_OK ||
            rl_conv_back_data(&t, 3, dys, w, dxs, beta) != RL_OK ||
            rl_conv_back_weight(&t, x, dy, dw, 1) != RL_OK;
  double per = (double)(s->kh * s->kw);
  bad += judge("forward", worst(y, d->y, d->ny, s->cout, s->ldy, per * (double)s->cin), y, &first[0],
               bytes_of(d->ny), threads);
  bad += judge("data", worst(dx, d->dx, d->nx, s->cin, s->ldx, per * (double)s->cout), dx, &first[1],
               bytes_of(d->nx), threads);
  bad += judge("weight", worst(dw, d->dw, d->nw, d->nw, d->nw, (double)(s->n * s->oh * s->ow)), dw, &first[2],
               bytes_of(d->nw), threads);
  if (memcmp(dx, dx2, bytes_of(d->nx)) != 0) bad += printf("data: two equal cotangents differ\n");
  void *const all[] = {x, w, bias, dy, scale, shift, gap, y, dx, dx2, dw};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
  return bad;
}

static int try_conv(rl_conv s) {
  type = s.dtype;
  s.oh = rl_conv_size(s.h, s.kh, s.stride[0], s.pad[0], s.dilation[0]);
  s.ow = rl_conv_size(s.w, s.kw, s.stride[1], s.pad[1], s.dilation[1]);
  if (s.oh <= 0 || s.ow <= 0) return 0;
  data d = {.nx = s.n * s.h * s.w * s.ldx,
            .ny = s.n * s.oh * s.ow * s.ldy,
            .nw = s.cout * s.cin / s.groups * s.kh * s.kw};
  d.x = filled(d.nx), d.dy = filled(d.ny), d.w = filled(d.nw), d.bias = filled(s.cout);
  d.scale = filled(s.cin), d.shift = filled(s.cin), d.dx0 = filled(d.nx), d.dw0 = filled(d.nw);
  d.y = calloc((size_t)d.ny + 1, sizeof(double)), d.dx = malloc((size_t)d.nx * 8 + 8),
  d.dw = malloc((size_t)d.nw * 8 + 8);
  memcpy(d.dx, d.dx0, (size_t)d.nx * 8);
  memcpy(d.dw, d.dw0, (size_t)d.nw * 8);
  plain(&s, &d);
  void *first[3] = {0};
  int bad = 0;
  for (int threads = 1; threads <= 4 && bad == 0; threads++) {
    rl_threads_set(threads);
    bad = run(&s, &d, threads, first);
  }
  if (bad != 0)
    printf("FAILED %s f%d: %ldx%ldx%ldx%ld to %ld, kernel %ldx%ld stride %ld,%ld pad %ld,%ld dilation "
           "%ld,%ld groups %ld px %d ld %ld %ld\n",
           rl_isa_name(), type == RL_F64 ? 64 : 32, (long)s.n, (long)s.h, (long)s.w, (long)s.cin,
           (long)s.cout, (long)s.kh, (long)s.kw, (long)s.stride[0], (long)s.stride[1], (long)s.pad[0],
           (long)s.pad[1], (long)s.dilation[0], (long)s.dilation[1], (long)s.groups, s.px.scale != NULL,
           (long)s.ldx, (long)s.ldy);
  double *const all[] = {d.x, d.dy, d.w, d.bias, d.scale, d.shift, d.dx0, d.dw0, d.y, d.dx, d.dw};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
  return bad != 0;
}

static int try_all(void) {
  static const int64_t known[][9] = {/* n h w cin cout k stride pad dtype */
                                     {2, 9, 11, 3, 16, 7, 2, 3, RL_F32}, {1, 8, 8, 128, 32, 3, 1, 1, RL_F32},
                                     {3, 7, 7, 40, 70, 3, 1, 1, RL_F32}, {2, 12, 10, 64, 3, 9, 1, 4, RL_F32},
                                     {2, 6, 6, 20, 24, 1, 2, 0, RL_F64}, {4, 5, 5, 16, 33, 1, 1, 0, RL_F32},
                                     {1, 30, 17, 1, 5, 3, 1, 0, RL_F64}, {1, 3, 3, 600, 40, 3, 1, 1, RL_F32},
                                     {2, 16, 16, 3, 8, 3, 1, 1, RL_F64}};
  int bad = 0, some;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    const int64_t *v = known[i];
    bad += try_conv((rl_conv){.n = v[0],
                              .h = v[1],
                              .w = v[2],
                              .cin = v[3],
                              .cout = v[4],
                              .kh = v[5],
                              .kw = v[5],
                              .stride = {v[6], v[6]},
                              .pad = {v[7], v[7]},
                              .dilation = {1, 1},
                              .groups = 1,
                              .ldx = v[3],
                              .ldy = v[4],
                              .dtype = (rl_dtype)v[8]});
  }
  for (int i = 0; i < 60; i++) {
    rl_conv s = {
        .n = pick(1, 3), .h = pick(1, 11), .w = pick(1, 16), .groups = pick(0, 3) == 0 ? pick(2, 3) : 1};
    s.cin = s.groups * pick(1, 20);
    s.cout = s.groups * pick(1, 20);
    s.ldx = s.cin + (pick(0, 1) ? pick(1, 9) : 0);
    s.ldy = s.cout + (pick(0, 1) ? pick(1, 9) : 0);
    s.kh = pick(1, 4);
    s.kw = pick(1, 4);
    for (int a = 0; a < 2; a++) s.stride[a] = pick(1, 3), s.pad[a] = pick(0, 3), s.dilation[a] = pick(1, 2);
    s.dtype = pick(0, 1) ? RL_F64 : RL_F32;
    if (pick(0, 1)) s.px = (rl_prologue){&some, &some, pick(0, 1)};
    bad += try_conv(s);
  }
  return bad;
}

int main(void) {
  static const char *const rung[] = {"scalar", "avx2", "avx512"};
  int bad = 0;
  for (int r = 0; r < 3; r++) {
    fflush(stdout);
    pid_t child = fork(); /* a rung is chosen once per process */
    if (child == 0) {
      setenv("RILLE_ISA", rung[r], 1);
      int wrong = try_all();
      printf("conv on %s: %d wrong\n", rl_isa_name(), wrong);
      fflush(stdout);
      _exit(wrong != 0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    bad += status != 0;
  }
  return bad != 0;
}
