#!/bin/sh
# Builds the rock offline into a temporary tree and loads it from there: rockspec.sh SOURCE SCRATCH
set -e
rm -rf "$2" && mkdir -p "$2/src" "$2/tree"
cd "$1" && cp -R CMakeLists.txt engine lua recipes tests examples rocks README.md "$2/src"
cd "$2/src"
luarocks --lua-version 5.4 --tree "$2/tree" make --deps-mode=none rocks/rille-scm-1.rockspec >"$2/log" 2>&1 || { tail -20 "$2/log"; exit 1; }
cd "$2/tree"
LUA_PATH="$2/tree/share/lua/5.4/?.lua;$2/tree/share/lua/5.4/?/init.lua" LUA_CPATH="$2/tree/lib/lua/5.4/?.so" \
  lua5.4 -e 'local rl = require "rille"; assert(rl.tensor({ 2 }):item() == 2)'
