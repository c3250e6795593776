-- What a run says while it works: one line that is rewritten on a terminal, a plain line now and then
-- elsewhere.
local core = require "rille.core"

local Progress = {}
Progress.__index = Progress

local PLAIN_EVERY_S = 10
local LIVE_EVERY_S = 0.1

---@param o? { quiet: boolean? }
function Progress.new(o)
  return setmetatable({ is_live = core.isatty(2), quiet = o and o.quiet, last = -math.huge, width = 0 },
    Progress)
end

---A duration for people.
---@param s number
---@return string
function Progress.time(s)
  if s < 100 then return ("%.0f s"):format(s) end
  if s < 6000 then return ("%.0f min"):format(s / 60) end
  return ("%d h %02d min"):format(s // 3600, s % 3600 // 60)
end

local function wipe(self)
  if self.width > 0 then io.stderr:write("\r", (" "):rep(self.width), "\r") end
  self.width = 0
end

---A line that stays.
---@param text string
function Progress:say(text)
  if self.quiet then return end
  wipe(self)
  io.stderr:write(text, "\n")
  io.stderr:flush()
end

---A line that stands only until the next one, on a terminal; nothing elsewhere.
---@param text string
function Progress:note(text)
  if self.quiet or not self.is_live then return end
  text = text:sub(1, core.terminal_width() - 1)
  io.stderr:write("\r", text, (" "):rep(math.max(0, self.width - #text)))
  io.stderr:flush()
  self.width = #text
end

local function losses_text(losses)
  local names, out = {}, {}
  for name in pairs(losses) do names[#names + 1] = name end
  table.sort(names)
  for k, name in ipairs(names) do out[k] = ("%s %.4g"):format(name, losses[name]) end
  return table.concat(out, " ")
end

---The state of a stage, after a step.
---@param s table stage, epoch, step, of (steps of the stage), losses, rate (images/s), eta (seconds)
function Progress:step(s)
  local now = core.clock()
  if self.quiet or now - self.last < (self.is_live and LIVE_EVERY_S or PLAIN_EVERY_S) then return end
  self.last = now
  local place = s.of and ("%d/%d"):format(s.step, s.of) or tostring(s.step)
  local text = ("%s: epoch %d, step %s, %s, %.3g images/s"):format(s.stage, s.epoch, place,
    losses_text(s.losses), s.rate)
  if s.eta then text = text .. ", " .. Progress.time(s.eta) .. " left" end
  if not self.is_live then return self:say(text) end
  self:note(text)
end

---The line has room for others: the prompt, errors.
function Progress:clear() wipe(self) end

return Progress
