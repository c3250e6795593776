/* Whether a convolution goes by Winograd: the switch, and a table of measurements. */
#include "kernels/kernels.h"
#include "kernels/winograd.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_int allowed = -1;

bool rl_winograd_allowed(void) {
  if (allowed < 0) {
    const char *word = getenv("RILLE_WINOGRAD");
    allowed = word == NULL || strcmp(word, "0") != 0;
  }
  return allowed > 0;
}

void rl_winograd_allow(bool on) { allowed = on; }

/* Whether the kernels can do it at all. */
static bool able(const rl_conv *s) {
  bool plain = s->dtype == RL_F32 && s->kh == 3 && s->kw == 3 && s->groups == 1;
  for (int p = 0; p < s->nparts; p++) plain = plain && s->part[p].px.other == NULL;
  return plain && s->stride[0] == 1 && s->stride[1] == 1 && s->dilation[0] == 1 && s->dilation[1] == 1;
}

/* From how many tiles on it is the faster way, by class of CPU (its kernel set) and direction. Figures are GF/s of the direct method's
** operations on two cores, Winograd against implicit GEMM, forward, to the input, to the weight. */
typedef struct row {
  const char *isa;
  int64_t tiles[3];
} row;

static const row table[] = {
    /* Zen 4. 4x128x128x64 to 64: 533 : 197, 527 : 201, 457 : 196. 2x80x64x256 to 256: 660 : 205, 648 : 212, 632 : 166.
    ** 8x28x28x128 to 32: 567 : 199, 486 : 144, 447 : 190; 8x7x7: 295 : 178, 260 : 128, 230 : 155. 1x16x16x32 to 32: 255 : 102,
    ** 216 : 102, 255 : 89. Four tiles, 1x8x8x32 to 32: 125 : 86, 107 : 84, 158 : 60; 1x7x7x512 to 512: 95 : 46, 47 : 60, 105 : 38.
    ** Emerald Rapids. 2x20x16x1024 to 1024: 540 : 180, 519 : 108, 607 : 151. 8x7x7x512 to 512: 346 : 149, 345 : 131, 313 : 105;
    ** 4x4x4: 173 : 98, 184 : 53, 117 : 30. 8x7x7x128 to 32: 78 : 58, 80 : 37, 107 : 60. */
    {"avx512", {4, 8, 4}},
    /* Zen 4. 2x64x64x64 to 64: 612 : 221, 625 : 221, 551 : 193. 4x7x7x256 to 256: 346 : 158, 344 : 177, 365 : 114. */
    {"avx2", {8, 8, 8}},
    /* Zen 4. 2x64x64x64 to 64: 210 : 74, 218 : 75, 228 : 67. 4x7x7x256 to 256: 146 : 68, 144 : 68, 146 : 42. */
    {"scalar", {8, 8, 8}},
};

/* Fewer than 32 channels to sum over would leave the transforms' own rounding at more than 1.7 times the error of a
** direct sum; the weight's gradient sums over tiles. */
bool rl_winograd_fits(const rl_conv *s, rl_direction direction) {
  if (!able(s) || !rl_winograd_allowed()) return false;
  int64_t inner = direction == RL_BACK_DATA ? s->cout : s->cin;
  if (s->cin < 16 || s->cout < 16 || (direction != RL_BACK_WEIGHT && inner < 32)) return false;
  int64_t tiles = s->n * ((s->oh + 3) / 4) * ((s->ow + 3) / 4);
  const row *r = table;
  while (strcmp(r->isa, rl_isa_name()) != 0) r++; /* scalar is always there */
  return tiles >= r->tiles[direction];
}
