/* checksum.h: zlib's CRC-32, for what is not a format's own business: journals and whole files. */
#ifndef RL_IO_CHECKSUM_H
#define RL_IO_CHECKSUM_H

#include "rille.h"

uint32_t rl_crc32(uint32_t before, const void *data,
                  size_t n); /* before: 0, or what came out for the text so far */
rl_status rl_crc32_file(const char *file, uint32_t *crc, uint64_t *bytes); /* read in pieces */

#endif
