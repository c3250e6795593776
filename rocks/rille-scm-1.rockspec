rockspec_format = "3.0"
package = "rille"
version = "scm-1"
source = { url = "." } -- `luarocks make` in a checkout; needs no network
description = {
  summary = "A Lua-scriptable numerical engine: tensors, CPU kernels and autograd",
  detailed = "Needs LuaFileSystem, libpng, libjpeg and zlib at run time; OpenBLAS if linear algebra is asked for.",
  license = "MIT",
}
dependencies = { "lua >= 5.4, < 5.5" }
build = {
  type = "cmake",
  variables = {
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
    CMAKE_INSTALL_BINDIR = "$(BINDIR)",
    RILLE_LIBRARY = "OFF",
  },
}
