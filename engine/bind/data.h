/* data.h: what the bindings of data sets and of gaze share. */
#ifndef RL_BIND_DATA_H
#define RL_BIND_DATA_H

#include "bind/check.h"
#include "data/loader.h"

const rl_manifest *rl_check_set(lua_State *L, int i);
const rl_fixations *rl_check_fixations(lua_State *L, int i);

/* Pushes the list of a row's fixations, { x, y, onset, duration, subject } each, moved to where they lie in a
** sample of width x height pixels; those outside it, or outside the image, are left out. placed NULL: as in
** the file, all of them. */
void rl_push_fixations(lua_State *L, const rl_fixations *f, int row, const rl_placed *placed, int width,
                       int height);

/* The field `views` of the options at an index: how many, and how each is drawn. */
int rl_check_views(lua_State *L, int options, rl_transform *to);

void rl_open_gaze(lua_State *L); /* into the table on top of the stack */
void rl_open_views(lua_State *L);

#endif
