-- Runs the specs inside the launcher: rille tests/run.lua [FOLDER or FILE]... [busted options]
-- The launcher carries the engine, so the same file serves the plain and the sanitised build.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/?.lua;" .. here .. "/../?.lua;" .. package.path
_G.RILLE_ROOT = here .. "/.."
require "support.assertions"
require "rille.nn.fused" -- busted forgets what a spec file loads: layers and rl.cam must meet in one fused
if #arg == 0 then _G.arg = { [0] = arg[0], here } end
require "busted.runner" { standalone = false, pattern = "_spec", output = "utfTerminal" }
