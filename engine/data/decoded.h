/* decoded.h: a sample's files as bytes of one size, the part of its making that no epoch changes. */
#ifndef RL_DATA_DECODED_H
#define RL_DATA_DECODED_H

#include "data/loader.h"

typedef struct rl_decoded {
  int width, height; /* of the file */
  rl_frame frame;    /* what `sample` holds, and what is cut from it */
  size_t bytes;      /* of this */
  rl_image source;   /* the file's own pixels, where there are views; else empty */
  uint8_t sample[];  /* image H x W x C, then H x W of the mask and of each map, of the frame's size */
} rl_decoded;

typedef struct rl_decoding {
  const rl_manifest *m;
  const rl_loader_options *o;
  bool masks; /* room for a mask, and for so many maps; left as it is where the row has none */
  int maps;
} rl_decoding;

/* Reads the row's files. RL_EIO, RL_EFORMAT, RL_EARG or RL_ENOMEM; *out is NULL then. Safe from several threads. */
rl_status rl_decode(const rl_decoding *how, int row, rl_decoded **out);

void rl_decoded_drop(rl_decoded *d); /* takes NULL */

#endif
