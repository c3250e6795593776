-- Printing a model: one line per module with its settings, the shapes of its own parameters, and how many
-- numbers it holds.

local check = require "rille.util.check"

local function grouped(n) return (tostring(n):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")) end

local function own_shapes(module)
  local list = {}
  for _, s in ipairs(module:named_state()) do
    if s.kind == "parameter" and not s.name:find(".", 1, true) then
      list[#list + 1] = ("%s %s%s"):format(s.name, check.shape_text(s.tensor),
        s.tensor.requires_grad and "" or " frozen")
    end
  end
  return #list > 0 and "  " .. table.concat(list, ", ") or ""
end

local function put(lines, module, name, depth)
  local settings, count = module:describe(), module:count()
  lines[#lines + 1] = ("%s%s%s%s%s%s"):format(("  "):rep(depth), name ~= "" and name .. ": " or "",
    module.class_name,
    settings ~= "" and "(" .. settings .. ")" or "", own_shapes(module),
    count > 0 and "  [" .. grouped(count) .. "]" or "")
  for _, child in ipairs(module:named_children()) do put(lines, child.module, child.name, depth + 1) end
end

return function(Module)
  function Module:__tostring()
    local lines = {}
    put(lines, self, "", 0)
    return table.concat(lines, "\n")
  end
end
