-- Base64 (RFC 4648, section 4), for pictures inside the page: four characters per three bytes, by tables of
-- 4096 pairs, so that a megabyte takes about a tenth of a second.

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local pairs_of = {}
for v = 0, 4095 do
  pairs_of[v] = ALPHABET:sub((v >> 6) + 1, (v >> 6) + 1) .. ALPHABET:sub((v & 63) + 1, (v & 63) + 1)
end

local GROUPS = 32 -- triples per call of string.byte; 96 values stay well below its limit

local function whole_triples(data, from, to, out)
  for at = from, to, 3 * GROUPS do
    local bytes = { data:byte(at, math.min(at + 3 * GROUPS - 1, to)) }
    for k = 1, #bytes, 3 do
      local v = bytes[k] << 16 | bytes[k + 1] << 8 | bytes[k + 2]
      out[#out + 1] = pairs_of[v >> 12]
      out[#out + 1] = pairs_of[v & 4095]
    end
  end
end

---Encode bytes.
---@param data string
---@return string
local function base64(data)
  local out, rest = {}, #data % 3
  whole_triples(data, 1, #data - rest, out)
  if rest > 0 then
    local a, b = data:byte(#data - rest + 1, #data)
    local v = a << 16 | (b or 0) << 8
    out[#out + 1] = pairs_of[v >> 12]
    out[#out + 1] = rest == 2 and pairs_of[v & 4095]:sub(1, 1) .. "=" or "=="
  end
  return table.concat(out)
end

return base64
