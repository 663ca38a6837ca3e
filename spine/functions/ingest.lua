--[[ Take what cars say: per message a verdict, and for what is new its state and facts, all in one step.

  Window: hash boot, high (highest seq), bits (1,024 bits, the bit of seq stands at seq mod 1024), of the current
  boot only. Dedupe: sorted set of ids by when they came. State: hash field -> "gen.boot.seq value"; a field moves
  forward only. "@unit" and "@gen": another unit in the car starts a new generation.
]]
local WINDOW = 1024

local function opened(key)
  local row = redis.call("HMGET", key, "boot", "high", "bits")
  local window = { boot = tonumber(row[1] or -1), high = tonumber(row[2] or 0), bits = {} }
  if row[3] then
    window.bits = { string.byte(row[3], 1, WINDOW / 8) }
  else
    for i = 1, WINDOW / 8 do window.bits[i] = 0 end
  end
  return window
end

local function bit_of(window, seq)
  local place = seq % WINDOW
  local byte, mask = math.floor(place / 8) + 1, 2 ^ (place % 8)
  return byte, mask, math.floor(window.bits[byte] / mask) % 2 == 1
end

local function put_bit(window, seq, wanted)
  local byte, mask, there = bit_of(window, seq)
  if there ~= wanted then
    window.bits[byte] = window.bits[byte] + (wanted and mask or -mask)
  end
end

local function passes(window, boot, seq)
  if boot < window.boot then return "behind" end
  if boot > window.boot or seq >= window.high + WINDOW then
    window.boot, window.high = boot, seq
    for i = 1, WINDOW / 8 do window.bits[i] = 0 end
  elseif seq > window.high then
    for between = window.high + 1, seq do put_bit(window, between, false) end
    window.high = seq
  elseif seq <= window.high - WINDOW then
    return "stale"
  else
    local _, _, there = bit_of(window, seq)
    if there then return "duplicate" end
  end
  put_bit(window, seq, true)
  window.changed = true
  return "new"
end

local function generation(key, unit)
  local row = redis.call("HMGET", key, "@unit", "@gen")
  if row[1] == unit then return tonumber(row[2]) end
  local gen = tonumber(row[2] or 0) + 1
  redis.call("HSET", key, "@unit", unit, "@gen", gen)
  return gen
end

-- What a car's state has of a field: read once a call, however many messages speak of it.
local function last(car, field)
  local known = car.known[field]
  if not known then
    known = {}
    local stored = redis.call("HGET", car.key, field)
    if stored then
      local gen, boot, seq = string.match(stored, "^(%d+)%.(%d+)%.(%d+) ")
      known.gen, known.boot, known.seq = tonumber(gen), tonumber(boot), tonumber(seq)
    end
    car.known[field] = known
  end
  return known
end

-- seq 0 stands for a message without one: of its boot it is the newest, and hides no later seq.
local function forward(car, gen, boot, seq, field, value)
  local had = last(car, field)
  if had.gen == gen then
    if boot < had.boot then return end
    if boot == had.boot then
      if seq == 0 then seq = had.seq end
      if seq < had.seq then return end
    end
  end
  had.gen, had.boot, had.seq, had.value = gen, boot, seq, value
end

local function write(car)
  for field, now in pairs(car.known) do
    if now.value then
      redis.call("HSET", car.key, field,
        string.format("%d.%.0f.%.0f %s", now.gen, now.boot, now.seq, now.value))
    end
  end
end

--[[ tl_ingest
  KEYS  1 log   then per unit three: window, dedupe, state of its car
  ARGV  1 now, unix ms   2 how long ids are known, ms   3 number of units
        then each unit's id
        then per message: unit (1..)  boot  seq  "1": has a window  dedupe id ("": none)
                          number of state fields  number of facts  field, value ...  facts, one JSON each
  Returns per message "new" | "duplicate" | "stale" | "behind"
]]
local function ingest(keys, args)
  local now, keep, units = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  local windows, generations, cars, verdicts = {}, {}, {}, {}
  local at = 4 + units
  while at <= #args do
    local unit, boot, seq = tonumber(args[at]), tonumber(args[at + 1]), tonumber(args[at + 2])
    local id, fields, facts = args[at + 4], tonumber(args[at + 5]), tonumber(args[at + 6])
    local window_key, dedupe_key, state_key = keys[3 * unit - 1], keys[3 * unit], keys[3 * unit + 1]
    local verdict = "new"
    if args[at + 3] == "1" then
      windows[unit] = windows[unit] or opened(window_key)
      verdict = passes(windows[unit], boot, seq)
    end
    if id ~= "" and verdict ~= "duplicate" then
      local came = redis.call("ZSCORE", dedupe_key, id)
      if came and tonumber(came) > now - keep then
        verdict = "duplicate"
      elseif verdict == "new" then
        redis.call("ZREMRANGEBYSCORE", dedupe_key, "-inf", now - keep)
        redis.call("ZADD", dedupe_key, now, id)
        redis.call("PEXPIRE", dedupe_key, keep)
      end
    end
    at = at + 7
    if verdict == "new" then
      if fields > 0 then
        generations[unit] = generations[unit] or generation(state_key, args[3 + unit])
        local car = cars[state_key] or { key = state_key, known = {} }
        cars[state_key] = car
        for i = at, at + 2 * fields - 1, 2 do
          forward(car, generations[unit], boot, seq, args[i], args[i + 1])
        end
      end
      for i = at + 2 * fields, at + 2 * fields + facts - 1 do
        redis.call("XADD", keys[1], "*", "f", args[i])
      end
    end
    at = at + 2 * fields + facts
    verdicts[#verdicts + 1] = verdict
  end
  for _, car in pairs(cars) do write(car) end
  for unit, window in pairs(windows) do
    if window.changed then
      local bits = string.char(unpack(window.bits))
      redis.call("HSET", keys[3 * unit - 1], "boot", string.format("%.0f", window.boot),
        "high", string.format("%.0f", window.high), "bits", bits)
    end
  end
  return verdicts
end

redis.register_function("tl_ingest", ingest)
