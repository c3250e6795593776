/* CRC-32 by zlib, of texts and of files of any size. */
#include "io/checksum.h"
#include "base/status.h"
#include "io/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

uint32_t rl_crc32(uint32_t before, const void *data, size_t n) {
  return (uint32_t)crc32_z(before, (const Bytef *)data, n);
}

rl_status rl_crc32_file(const char *file, uint32_t *crc, uint64_t *bytes) {
  unsigned char piece[1 << 14];
  char name[RL_NAMEBUF];
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return rl_fail(RL_EIO, "crc32: %s: %s", rl_file_name(name, file), strerror(errno));
  *crc = 0;
  *bytes = 0;
  for (;;) {
    ssize_t n = read(fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      int e = errno;
      close(fd);
      if (n == 0) return RL_OK;
      return rl_fail(RL_EIO, "crc32: %s: %s", rl_file_name(name, file), strerror(e));
    }
    *crc = rl_crc32(*crc, piece, (size_t)n);
    *bytes += (uint64_t)n;
  }
}
