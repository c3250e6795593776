-- The first picture of a GIF file as grey values: masks of the SCR database come so. GIF89a specification,
-- CompuServe 1990. Codes are decoded one by one, pixels are not: each code stands for a run.

local MOST = 1 << 26 -- pixels

-- The palette's entries as one grey byte each, and where it ends.
local function read_palette(text, at, flags)
  local grey = {}
  if flags & 0x80 == 0 then return nil, at end
  local n = 2 << (flags & 7)
  for i = 0, n - 1 do
    local r, g, b = text:byte(at + 3 * i, at + 3 * i + 2)
    if not b then return nil, nil end
    grey[i] = string.char((r + g + b) // 3)
  end
  return grey, at + 3 * n
end

-- Sub-blocks joined, and where they end.
local function read_blocks(text, at)
  local parts = {}
  while true do
    local n = text:byte(at)
    if not n or at + n > #text then return nil, at end
    if n == 0 then return table.concat(parts), at + 1 end
    parts[#parts + 1] = text:sub(at + 1, at + n)
    at = at + n + 1
  end
end

-- An iterator of codes: next_code(width in bits) -> code, nil at the end.
local function codes(data)
  local buffer, count, at = 0, 0, 1
  return function(width)
    while count < width do
      local byte = data:byte(at)
      if not byte then return nil end
      buffer, count, at = buffer | byte << count, count + 8, at + 1
    end
    local code = buffer & (1 << width) - 1
    buffer, count = buffer >> width, count - width
    return code
  end
end

-- LZW: `want` bytes, or nil where the data is damaged.
local function expand(data, bits, grey, want)
  local clear, next_code = 1 << bits, codes(data)
  local dict, width, free, before = {}, bits + 1, clear + 2, nil
  for i = 0, clear - 1 do dict[i] = grey[i] or "\0" end
  local out, n = {}, 0
  while n < want do
    local code = next_code(width)
    if not code or code == clear + 1 then return nil end
    if code == clear then
      for i = clear + 2, free do dict[i] = nil end
      width, free, before = bits + 1, clear + 2, nil
    else
      local run = dict[code] or code == free and before and before .. before:sub(1, 1)
      if not run then return nil end
      out[#out + 1], n = run, n + #run
      if before and free < 4096 then
        dict[free], free = before .. run:sub(1, 1), free + 1
        if free == 1 << width and width < 12 then width = width + 1 end
      end
      before = run
    end
  end
  return table.concat(out):sub(1, want)
end

local PASSES = { { 0, 8 }, { 4, 8 }, { 2, 4 }, { 1, 2 } }

local function in_order(pixels, width, height) -- interlaced rows
  local rows, k = {}, 0
  for _, pass in ipairs(PASSES) do
    for y = pass[1], height - 1, pass[2] do
      rows[y + 1] = pixels:sub(k * width + 1, (k + 1) * width)
      k = k + 1
    end
  end
  return table.concat(rows)
end

local function read_image(text, at, grey)
  if #text < at + 10 then return nil, "ends early" end
  local width, height, flags = string.unpack("<I2I2B", text, at + 5)
  local own, from = read_palette(text, at + 10, flags)
  local bits = from and text:byte(from)
  if not bits or bits < 1 or bits > 8 then return nil, "is damaged" end
  if width * height == 0 or width * height > MOST then return nil, "has no usable size" end
  if not (own or grey) then return nil, "has no palette" end
  local data = read_blocks(text, from + 1)
  local pixels = data and expand(data, bits, own or grey, width * height)
  if not pixels then return nil, "is damaged" end
  return flags & 0x40 ~= 0 and in_order(pixels, width, height) or pixels, width, height
end

---@param text string the file
---@return string? pixels grey bytes, row by row; nil, why when it is none or damaged
---@return integer|string width
---@return integer? height
return function(text)
  if not text:find "^GIF8[79]a" or #text < 13 then return nil, "is no GIF file" end
  local grey, at = read_palette(text, 14, text:byte(11))
  while at and at <= #text do
    local kind = text:byte(at)
    if kind == 0x2C then return read_image(text, at, grey) end
    if kind ~= 0x21 then break end -- an extension: skipped
    local data
    data, at = read_blocks(text, at + 2)
    if not data then break end
  end
  return nil, "holds no picture"
end
