/* The loader. Position p counts samples over all epochs: p = epoch * samples + index. Threads claim
** positions in order, at most `window` ahead of the consumer, and each position has its slot p mod window;
** so nothing depends on who prepares what. The window is never longer than an epoch, so that at most two
** orders are alive. */
#include "data/loader.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/status.h"
#include "data/decoded.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 640

typedef struct slot { /* one prepared sample; written by the thread that claimed it while `ready` is -1 */
  int64_t ready;      /* the position it holds */
  int row;
  rl_status status;
  bool has_mask, has_saliency;
  rl_placed placed;
  float *image, *mask, *saliency, *views;
  char text[TEXT_MAX];
} slot;

typedef struct bad {
  int row;
  char text[TEXT_MAX];
} bad;

struct rl_loader {
  const rl_manifest *m;
  rl_loader_options o;
  int n, window, threads, bads;
  int *rows, *order[2];
  int64_t order_epoch[2];
  bool masks;
  int maps; /* saliency maps of a sample */
  int *by_class, *class_first,
      present;  /* balanced: the rows class by class, then those without; classes there are */
  int *scratch; /* one permutation */
  slot *slots;
  bad *bad;
  rl_decoded **cache; /* per manifest row */
  size_t cached_bytes;
  uint32_t epoch;
  int index;

  pthread_mutex_t lock; /* guards what follows, order[] and cache */
  pthread_cond_t work, done;
  int64_t claim; /* the next position to prepare */
  int busy;      /* threads at work on a claim */
  bool paused, quit;
  pthread_t id[RL_LOADER_THREADS_MAX];
};

/* ---- order */

/* Fisher-Yates from (seed, step, who). */
static void shuffle(const rl_loader *l, int *list, int n, uint32_t step, uint32_t who) {
  for (int i = n - 1; i > 0; i--) {
    uint32_t w[4];
    rl_philox(l->o.seed, RL_STREAM_LOADER, step, who, (uint64_t)i, w);
    uint64_t u = (uint64_t)w[0] << 32 | w[1];
    int j = (int)(u % ((uint64_t)i + 1)); /* bias below 1e-9 */
    int swap = list[i];
    list[i] = list[j];
    list[j] = swap;
  }
}

/* Class k's samples in an epoch: n of the labelled divided, the rest going round from epoch to epoch. */
static int quota(const rl_loader *l, int k, int64_t epoch, int labelled) {
  return labelled / l->present + ((k + epoch) % l->present < labelled % l->present);
}

/* Per class an endless row of permutations is cut into epochs, so all of its images come equally often. */
static int *take_class(rl_loader *l, int k, int64_t epoch, int labelled, int *to) {
  const int *rows = l->by_class + l->class_first[k];
  int m = l->class_first[k + 1] - l->class_first[k], n = quota(l, k, epoch, labelled);
  int64_t at = epoch / l->present * (labelled % l->present) + epoch * (labelled / l->present);
  for (int64_t e = epoch - epoch % l->present; e < epoch; e++)
    at += (k + e) % l->present < labelled % l->present;
  for (int i = 0; i < n; i++, at++) {
    if (i == 0 || at % m == 0) {
      memcpy(l->scratch, rows, (size_t)m * sizeof *rows);
      shuffle(l, l->scratch, m, (uint32_t)(at / m), UINT32_MAX - 1 - (uint32_t)k);
    }
    *to++ = l->scratch[at % m];
  }
  return to;
}

static void make_order(rl_loader *l, int64_t epoch) {
  int *to = l->order[epoch & 1];
  if (l->order_epoch[epoch & 1] == epoch) return;
  if (l->o.balance) {
    int labelled = l->class_first[l->present], *end = to;
    for (int k = 0; k < l->present; k++) end = take_class(l, k, epoch, labelled, end);
    memcpy(end, l->by_class + labelled, (size_t)(l->n - labelled) * sizeof *end);
  } else {
    memcpy(to, l->rows, (size_t)l->n * sizeof *to);
  }
  if (l->o.shuffle || l->o.balance) shuffle(l, to, l->n, (uint32_t)epoch, UINT32_MAX);
  l->order_epoch[epoch & 1] = epoch;
}

static int row_at(rl_loader *l, int64_t position) { /* with the lock held */
  make_order(l, position / l->n);
  return l->order[position / l->n & 1][position % l->n];
}

/* ---- one sample */

static rl_decoded *look_up(rl_loader *l, int row) {
  pthread_mutex_lock(&l->lock);
  rl_decoded *have = l->cache[row];
  pthread_mutex_unlock(&l->lock);
  return have;
}

static bool remember(rl_loader *l, int row, rl_decoded *d) { /* false: it stays the caller's */
  size_t bytes = d->bytes + (d->source.pixels == NULL ? 0 : rl_image_bytes(&d->source));
  pthread_mutex_lock(&l->lock);
  bool fits = l->cache[row] == NULL && l->cached_bytes + bytes <= l->o.cache_bytes;
  if (fits) {
    l->cache[row] = d;
    l->cached_bytes += bytes;
  }
  pthread_mutex_unlock(&l->lock);
  return fits;
}

static bool has_map(const rl_loader *l, int row) {
  if (l->o.gaze == RL_GAZE_NONE) return l->m->row[row].saliency[0] != '\0';
  return l->o.fixations->first[row + 1] > l->o.fixations->first[row];
}

static void finish_maps(const rl_loader *l, const rl_view *v, const uint8_t *bytes, slot *s) {
  size_t pixels = (size_t)l->o.width * (size_t)l->o.height;
  size_t step = (size_t)v->frame.from_width * (size_t)v->frame.from_height;
  bool any = false;
  if (l->maps > 0 && !has_map(l, s->row)) memset(s->saliency, 0, pixels * (size_t)l->maps * sizeof(float));
  for (int k = 0; k < l->maps && has_map(l, s->row); k++)
    any |= rl_view_saliency(v, bytes + (size_t)k * step, s->saliency + (size_t)k * pixels);
  s->has_saliency = any;
}

static rl_status finish_views(const rl_loader *l, uint32_t epoch, uint32_t sample, const rl_image *source,
                              slot *s) {
  size_t n = (size_t)l->o.width * (size_t)l->o.height * (size_t)l->o.channels;
  for (int k = 0; k < l->o.views; k++) {
    rl_drawn d = rl_transform_draw(&l->o.view[k], l->o.seed, epoch, sample, k, source->width, source->height);
    RL_TRY(rl_drawn_apply(&d, source, l->o.width, l->o.height, l->o.channels, l->o.mean, l->o.std,
                          s->views + (size_t)k * n));
  }
  return RL_OK;
}

/* The random part. */
static rl_status finish(const rl_loader *l, int64_t position, const rl_decoded *d, slot *s) {
  const rl_row *r = &l->m->row[s->row];
  const rl_frame *f = &d->frame;
  size_t pixels = (size_t)f->from_width * (size_t)f->from_height;
  const uint8_t *bytes = d->sample;
  uint32_t epoch = (uint32_t)(position / l->n);
  uint32_t sample =
      (uint32_t)(l->o.balance ? position % l->n : s->row); /* a balanced row comes several times */
  rl_view v = rl_augment_draw(&l->o.augment, l->o.seed, epoch, sample, f);
  rl_view_image(&v, bytes, l->o.channels, l->o.mean, l->o.std, s->image);
  bytes += pixels * (size_t)l->o.channels;
  s->has_mask = l->masks && r->mask[0] != '\0';
  if (s->has_mask)
    rl_view_mask(&v, bytes, s->mask);
  else if (l->masks)
    memset(s->mask, 0, (size_t)f->width * (size_t)f->height * sizeof(float));
  if (l->masks) bytes += pixels;
  finish_maps(l, &v, bytes, s);
  s->placed = (rl_placed){v, (double)f->from_width / d->width, (double)f->from_height / d->height, d->width,
                          d->height};
  return finish_views(l, epoch, sample, &d->source, s);
}

static void process(rl_loader *l, int64_t position, slot *s) {
  const rl_decoding how = {l->m, &l->o, l->masks, l->maps};
  rl_decoded *have = look_up(l, s->row), *fresh = NULL;
  s->status = have == NULL ? rl_decode(&how, s->row, &fresh) : RL_OK;
  if (fresh != NULL) have = fresh;
  if (s->status == RL_OK) s->status = finish(l, position, have, s);
  if (s->status != RL_OK) snprintf(s->text, sizeof s->text, "%s", rl_error_text());
  if (fresh != NULL && (s->status != RL_OK || !remember(l, s->row, fresh))) rl_decoded_drop(fresh);
}

/* ---- threads */

static void *worker(void *arg) {
  rl_loader *l = arg;
  pthread_mutex_lock(&l->lock);
  for (;;) {
    int64_t used = (int64_t)l->epoch * l->n + l->index;
    if (l->quit) break;
    if (l->paused || l->claim >= used + l->window) {
      pthread_cond_wait(&l->work, &l->lock);
      continue;
    }
    int64_t position = l->claim++;
    slot *s = &l->slots[position % l->window];
    s->ready = -1;
    s->row = row_at(l, position);
    l->busy++;
    pthread_mutex_unlock(&l->lock);
    process(l, position, s);
    pthread_mutex_lock(&l->lock);
    s->ready = position;
    l->busy--;
    pthread_cond_broadcast(&l->done);
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

static void start_threads(rl_loader *l) { /* fewer than wished give the same batches, later */
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old); /* signals belong to the main thread */
  while (l->threads < l->o.threads && pthread_create(&l->id[l->threads], NULL, worker, l) == 0) l->threads++;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void halt(rl_loader *l) { /* returns with the lock held, nothing under way, nothing claimed ahead */
  pthread_mutex_lock(&l->lock);
  l->paused = true;
  while (l->busy > 0) pthread_cond_wait(&l->done, &l->lock);
  for (int i = 0; i < l->window; i++) l->slots[i].ready = -1;
}

static slot *take(rl_loader *l, int64_t position) { /* the prepared sample, waited for or made here */
  slot *s = &l->slots[position % l->window];
  pthread_mutex_lock(&l->lock);
  if (l->threads == 0) {
    s->row = row_at(l, position);
    pthread_mutex_unlock(&l->lock);
    process(l, position, s);
    return s;
  }
  if (l->paused) {
    l->paused = false;
    l->claim = position;
    pthread_cond_broadcast(&l->work);
  }
  while (s->ready != position) pthread_cond_wait(&l->done, &l->lock);
  pthread_mutex_unlock(&l->lock);
  return s;
}

static void advance(rl_loader *l) { /* the sample's slot may be used again */
  pthread_mutex_lock(&l->lock);
  l->index++;
  pthread_cond_broadcast(&l->work);
  pthread_mutex_unlock(&l->lock);
}

/* ---- opening and closing */

static rl_status check_options(const rl_loader_options *o) {
  if (o->batch < 1 || o->batch > 65536)
    return rl_fail(RL_EARG, "loader: batch = %d is not between 1 and 65536", o->batch);
  if (o->width < 1 || o->height < 1 || o->width > 8192 || o->height > 8192)
    return rl_fail(RL_EARG, "loader: size %dx%d, each side must be 1 to 8192", o->height, o->width);
  if (o->resize != 0 && (o->resize < o->width || o->resize < o->height || o->resize > 8192))
    return rl_fail(RL_EARG,
                   "loader: resize = %d; the side that %dx%d is cut from is as long or longer, to 8192",
                   o->resize, o->height, o->width);
  if (o->channels != 1 && o->channels != 3)
    return rl_fail(RL_EARG, "loader: channels = %d is neither 1 nor 3", o->channels);
  if (o->threads < 0 || o->threads > RL_LOADER_THREADS_MAX)
    return rl_fail(RL_EARG, "loader: threads = %d is not between 0 and %d", o->threads,
                   RL_LOADER_THREADS_MAX);
  for (int i = 0; i < o->channels; i++)
    if (!(o->std[i] > 0)) return rl_fail(RL_EARG, "loader: std = %g is not positive", o->std[i]);
  if (o->gaze != RL_GAZE_NONE && o->fixations == NULL)
    return rl_fail(RL_EARG, "loader: saliency maps from fixations need the fixations");
  const char *lacks = o->gaze < RL_GAZE_DURATION                              ? NULL
                      : !o->fixations->has_duration                           ? "duration"
                      : o->gaze == RL_GAZE_THIRDS && !o->fixations->has_onset ? "onset"
                                                                              : NULL;
  if (lacks != NULL)
    return rl_fail(
        RL_EARG,
        "loader: saliency = \"%s\" needs the column %s, which \"%s/fixations.csv\" lacks; add it, or "
        "use \"fixations\"",
        o->gaze == RL_GAZE_THIRDS ? "thirds" : "duration", lacks, o->fixations->m->dir);
  if (!(o->sigma >= 0 && o->sigma <= 1e6))
    return rl_fail(RL_EARG, "loader: sigma = %g is not between 0 and 1e6 pixels", o->sigma);
  if (o->views < 0 || o->views > RL_VIEWS_MAX)
    return rl_fail(RL_EARG, "loader: %d views of an image; at most %d can be made", o->views, RL_VIEWS_MAX);
  for (int i = 0; i < o->views; i++) RL_TRY(rl_transform_check(&o->view[i]));
  return rl_augment_check(&o->augment);
}

static rl_status choose_rows(rl_loader *l) {
  bool maps = false;
  l->rows = malloc((size_t)l->m->rows * sizeof *l->rows);
  if (l->rows == NULL) return rl_fail(RL_ENOMEM, "loader: no memory");
  for (int i = 0; i < l->m->rows; i++) {
    const rl_row *r = &l->m->row[i];
    if (l->o.split != RL_SPLIT_NONE && r->split != l->o.split) continue;
    if (l->o.only != NULL && !l->o.only[i]) continue;
    l->rows[l->n++] = i;
    l->masks = l->masks || r->mask[0] != '\0';
    maps = maps || has_map(l, i);
  }
  if (maps) l->maps = l->o.gaze == RL_GAZE_NONE ? 1 : rl_gaze_maps(l->o.gaze);
  l->o.only = NULL;
  if (l->n > 0) return RL_OK;
  return rl_fail(RL_EARG, "loader: no row of \"%s\" is in split \"%s\"; fill the manifest's column split",
                 l->m->dir, rl_split_name(l->o.split));
}

static rl_status
sort_classes(rl_loader *l) { /* only classes with rows in the split get a number in `present` */
  l->by_class = malloc((size_t)l->n * sizeof *l->by_class);
  l->scratch = malloc((size_t)l->n * sizeof *l->scratch);
  l->class_first = calloc((size_t)l->m->classes + 1, sizeof *l->class_first);
  if (l->by_class == NULL || l->scratch == NULL || l->class_first == NULL)
    return rl_fail(RL_ENOMEM, "loader: no memory");
  int at = 0;
  for (int k = 0; k <= l->m->classes; k++) {
    int wanted = k < l->m->classes ? k : -1, before = at;
    for (int i = 0; i < l->n; i++)
      if (l->m->row[l->rows[i]].class == wanted) l->by_class[at++] = l->rows[i];
    if (wanted >= 0 && at > before) l->class_first[++l->present] = at;
  }
  if (l->present > 0) return RL_OK;
  return rl_fail(RL_EARG,
                 "loader: balance = true, but no row of \"%s\"%s%s has a label; fill the column label",
                 l->m->dir, l->o.split == RL_SPLIT_NONE ? "" : " in split ", rl_split_name(l->o.split));
}

static size_t views_bytes(const rl_loader *l) {
  return (size_t)l->o.width * (size_t)l->o.height * (size_t)l->o.channels * (size_t)l->o.views *
         sizeof(float);
}

static rl_status alloc_slot(rl_loader *l, slot *s) {
  size_t pixels = (size_t)l->o.width * (size_t)l->o.height * sizeof(float);
  void *p[4] = {NULL, NULL, NULL, NULL};
  s->ready = -1;
  rl_status st = rl_mem_alloc(&p[0], pixels * (size_t)l->o.channels);
  if (st == RL_OK && l->masks) st = rl_mem_alloc(&p[1], pixels);
  if (st == RL_OK && l->maps > 0) st = rl_mem_alloc(&p[2], pixels * (size_t)l->maps);
  if (st == RL_OK && l->o.views > 0) st = rl_mem_alloc(&p[3], views_bytes(l));
  s->image = p[0], s->mask = p[1], s->saliency = p[2], s->views = p[3];
  return st;
}

static rl_status alloc_all(rl_loader *l) {
  int ahead = l->o.threads == 0 ? 1 : l->o.batch + 2 * l->o.threads;
  l->window = ahead < l->n ? ahead : l->n;
  l->slots = calloc((size_t)l->window, sizeof *l->slots);
  l->bad = calloc((size_t)l->n / 100 + 2, sizeof *l->bad);
  l->cache = calloc((size_t)l->m->rows, sizeof *l->cache);
  for (int i = 0; i < 2; i++) {
    l->order[i] = malloc((size_t)l->n * sizeof(int));
    l->order_epoch[i] = -1;
    if (l->order[i] == NULL) return rl_fail(RL_ENOMEM, "loader: no memory");
  }
  if (l->slots == NULL || l->bad == NULL || l->cache == NULL) return rl_fail(RL_ENOMEM, "loader: no memory");
  for (int i = 0; i < l->window; i++) RL_TRY(alloc_slot(l, &l->slots[i]));
  return RL_OK;
}

rl_status rl_loader_open(rl_loader **out, const rl_manifest *m, const rl_loader_options *o) {
  *out = NULL;
  RL_TRY(check_options(o));
  if (o->fixations != NULL && o->fixations->m != m)
    return rl_fail(RL_EARG, "loader: the fixations are of another data set");
  rl_loader *l = calloc(1, sizeof *l);
  if (l == NULL) return rl_fail(RL_ENOMEM, "loader: no memory");
  l->m = m;
  l->o = *o;
  l->paused = true;
  l->epoch = 1;
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->work, NULL);
  pthread_cond_init(&l->done, NULL);
  rl_status s = choose_rows(l);
  if (s == RL_OK && l->o.balance) s = sort_classes(l);
  if (s == RL_OK) s = alloc_all(l);
  if (s != RL_OK) {
    rl_loader_close(&l);
    return s;
  }
  start_threads(l);
  *out = l;
  return RL_OK;
}

static void free_all(rl_loader *l) {
  size_t pixels = (size_t)l->o.width * (size_t)l->o.height * sizeof(float);
  for (int i = 0; l->slots != NULL && i < l->window; i++) {
    rl_mem_free(l->slots[i].image, pixels * (size_t)l->o.channels);
    rl_mem_free(l->slots[i].mask, pixels);
    rl_mem_free(l->slots[i].saliency, pixels * (size_t)l->maps);
    rl_mem_free(l->slots[i].views, views_bytes(l));
  }
  for (int i = 0; l->cache != NULL && i < l->m->rows; i++) rl_decoded_drop(l->cache[i]);
  free(l->slots);
  free(l->bad);
  free(l->cache);
  free(l->rows);
  free(l->by_class);
  free(l->class_first);
  free(l->scratch);
  free(l->order[0]);
  free(l->order[1]);
}

void rl_loader_close(rl_loader **at) {
  rl_loader *l = *at;
  *at = NULL;
  if (l == NULL) return;
  pthread_mutex_lock(&l->lock);
  l->quit = true;
  pthread_cond_broadcast(&l->work);
  pthread_mutex_unlock(&l->lock);
  for (int i = 0; i < l->threads; i++) pthread_join(l->id[i], NULL);
  free_all(l);
  pthread_mutex_destroy(&l->lock);
  pthread_cond_destroy(&l->work);
  pthread_cond_destroy(&l->done);
  free(l);
}

/* ---- the consumer's side */

int rl_loader_samples(const rl_loader *l) { return l->n; }
bool rl_loader_has_masks(const rl_loader *l) { return l->masks; }
int rl_loader_maps(const rl_loader *l) { return l->maps; }
int rl_loader_views(const rl_loader *l) { return l->o.views; }

int rl_loader_upcoming(const rl_loader *l) {
  int left = l->n - l->index;
  if (left >= l->o.batch) return l->o.batch;
  return l->o.drop_last ? 0 : left;
}

static rl_status note_bad(rl_loader *l, const slot *s) {
  int i = 0;
  while (i < l->bads && l->bad[i].row != s->row) i++;
  if (i < l->bads) return RL_OK; /* met in an earlier epoch */
  if (l->bads >= (l->n >= 200 ? l->n / 100 : 1))
    return rl_fail_plain(RL_EFORMAT, "loader: more than 1 %% of %d files cannot be read, the last: %s", l->n,
                         s->text);
  l->bad[i].row = s->row;
  memcpy(l->bad[i].text, s->text, sizeof s->text);
  l->bads++;
  return RL_OK;
}

static void copy_out(const rl_loader *l, const slot *s, rl_batch *b, int i) {
  size_t pixels = (size_t)l->o.width * (size_t)l->o.height, n = pixels * (size_t)l->o.channels;
  memcpy(b->image + (size_t)i * n, s->image, n * sizeof(float));
  if (b->mask != NULL) {
    memcpy(b->mask + (size_t)i * pixels, s->mask, pixels * sizeof(float));
    b->has_mask[i] = s->has_mask;
  }
  if (b->saliency != NULL) {
    size_t maps = pixels * (size_t)l->maps;
    memcpy(b->saliency + (size_t)i * maps, s->saliency, maps * sizeof(float));
    b->has_saliency[i] = s->has_saliency;
  }
  b->row[i] = s->row;
  b->label[i] = l->m->row[s->row].class;
  b->has_label[i] = b->label[i] >= 0;
  if (b->placed != NULL) b->placed[i] = s->placed;
  for (int k = 0; k < l->o.views; k++)
    memcpy(b->view[k] + (size_t)i * n, s->views + (size_t)k * n, n * sizeof(float));
}

rl_status rl_loader_next(rl_loader *l, rl_batch *b, int *n) {
  *n = 0;
  if (rl_loader_upcoming(l) == 0) return rl_loader_seek(l, l->epoch + 1, 0);
  while (*n < l->o.batch && l->index < l->n) {
    slot *s = take(l, (int64_t)l->epoch * l->n + l->index);
    if (s->status != RL_OK) {
      rl_status failed = s->status;
      if (!l->o.skip_bad || failed == RL_ENOMEM) return rl_fail_plain(failed, "%s", s->text);
      RL_TRY(note_bad(l, s));
    } else {
      copy_out(l, s, b, (*n)++);
    }
    advance(l);
  }
  return *n > 0 ? RL_OK : rl_loader_seek(l, l->epoch + 1, 0);
}

void rl_loader_tell(const rl_loader *l, uint32_t *epoch, int *index) {
  *epoch = l->epoch;
  *index = l->index;
}

rl_status rl_loader_seek(rl_loader *l, uint32_t epoch, int index) {
  if (index < 0 || index > l->n)
    return rl_fail(RL_EARG,
                   "loader: %d samples of an epoch cannot be used up, it has %d; is it the same data set?",
                   index, l->n);
  if (epoch == l->epoch && index == l->index) return RL_OK;
  bool ahead = l->index == l->n && epoch == l->epoch + 1 && index == 0; /* the next epoch is being prepared */
  if (ahead)
    pthread_mutex_lock(&l->lock);
  else
    halt(l);
  l->epoch = epoch;
  l->index = index;
  pthread_mutex_unlock(&l->lock);
  return RL_OK;
}

int rl_loader_bad(const rl_loader *l, int i, int *row, const char **text) {
  if (i >= 0 && i < l->bads) {
    *row = l->bad[i].row;
    *text = l->bad[i].text;
  }
  return l->bads;
}
