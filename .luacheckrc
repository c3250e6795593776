std = "lua54"
max_line_length = 110
exclude_files = { "build*/**", "lua/rille/meta/**" }
files["tests/**/*_spec.lua"] = { std = "lua54+busted" }
