/* rungs.h: a check on every kernel set that this CPU has, each in a process of its own, since a set is chosen once. */
#ifndef RL_TESTS_RUNGS_H
#define RL_TESTS_RUNGS_H

#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* try_all gives the number of wrong cases; the result is main's. */
static int on_every_rung(const char *what, int (*try_all)(void)) {
  static const char *const rung[] = {"scalar", "avx2", "avx512"};
  int bad = 0;
  for (int r = 0; r < 3; r++) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      setenv("RILLE_ISA", rung[r], 1);
      int wrong = try_all();
      printf("%s on %s: %d wrong\n", what, rl_isa_name(), wrong);
      fflush(stdout);
      _exit(wrong != 0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    bad += status != 0;
  }
  return bad != 0;
}

#endif
