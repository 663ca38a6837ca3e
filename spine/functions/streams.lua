--[[ A subscriber's stream: references in the order they were told, each once, bounded in age and length.

  Stream: entry id -> r (JSON). Known: sorted set of what was told, by its entry's ms, so that nothing is told twice.
  Marks: hash last (newest id ever given), floor (newest id that was dropped), gone ("1": erased for good).
  Ids are given from the caller's clock and always grow, also where that clock steps back.
]]

local function parts(id)
  local ms, seq = string.match(id, "^(%d+)-(%d+)$")
  return tonumber(ms), tonumber(seq)
end

local function id_after(last, now)
  local ms, seq = parts(last)
  if now > ms then return string.format("%.0f-0", now) end
  return string.format("%.0f-%.0f", ms, seq + 1)
end

local function drop_through(keys, id)
  local ms, seq = parts(id)
  redis.call("XTRIM", keys[1], "MINID", string.format("%.0f-%.0f", ms, seq + 1))
  redis.call("HSET", keys[3], "floor", id)
end

-- Everything told before a time goes, and then the oldest until `room` more fit into `most`.
local function trim(keys, before, most, room)
  if before < 0 then before = 0 end
  local old = redis.call("XREVRANGE", keys[1], string.format("(%.0f-0", before), "-", "COUNT", 1)
  if old[1] then drop_through(keys, old[1][1]) end
  redis.call("ZREMRANGEBYSCORE", keys[2], "-inf", string.format("(%.0f", before))
  local extra = redis.call("XLEN", keys[1]) + room - most
  if extra > 0 then
    local rows = redis.call("XRANGE", keys[1], "-", "+", "COUNT", extra)
    if rows[1] then drop_through(keys, rows[#rows][1]) end
  end
  local known = redis.call("ZCARD", keys[2]) + room - 2 * most
  if known > 0 then redis.call("ZREMRANGEBYRANK", keys[2], 0, known - 1) end
end

--[[ tl_stream_add: tell a subscriber of something, once
  KEYS 1 stream  2 known  3 marks
  ARGV 1 what it is called here  2 reference, JSON  3 when it happened, ms  4 now, ms  5 kept for, ms  6 most entries
  Returns its id | "" told before, too old, or erased
]]
local function stream_add(keys, args)
  local at, now, keep, most = tonumber(args[3]), tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
  local marks = redis.call("HMGET", keys[3], "last", "gone")
  if marks[2] or at < now - keep or redis.call("ZSCORE", keys[2], args[1]) then return "" end
  trim(keys, now - keep, most, 1)
  -- What ended with its key, and not by trimming, is gone all the same: no cursor from before it may seem whole.
  if marks[1] and redis.call("EXISTS", keys[1]) == 0 then redis.call("HSET", keys[3], "floor", marks[1]) end
  local id = id_after(marks[1] or "0-0", now)
  redis.call("XADD", keys[1], id, "r", args[2])
  redis.call("ZADD", keys[2], (parts(id)), args[1])
  redis.call("HSET", keys[3], "last", id)
  redis.call("PEXPIRE", keys[1], keep)
  redis.call("PEXPIRE", keys[2], keep)
  return id
end

--[[ tl_stream_read
  KEYS 1 stream  2 known  3 marks
  ARGV 1 after ("": from the oldest)  2 at most  3 now, ms  4 kept for, ms  5 most entries
  Returns {"OK", floor, last, id, reference, ...} | {"OLD", floor, last} entries after it were dropped
        | {"AHEAD", floor, last} no such id was ever given
]]
local function stream_read(keys, args)
  trim(keys, tonumber(args[3]) - tonumber(args[4]), tonumber(args[5]), 0)
  local marks = redis.call("HMGET", keys[3], "last", "floor")
  local last, floor = marks[1] or "0-0", marks[2] or "0-0"
  if redis.call("XLEN", keys[1]) == 0 then floor = last end
  local after = args[1] == "" and floor or args[1]
  if is_later(floor, after) then return { "OLD", floor, last } end
  if is_later(after, last) then return { "AHEAD", floor, last } end
  local answer = { "OK", floor, last }
  for _, row in ipairs(redis.call("XRANGE", keys[1], "(" .. after, "+", "COUNT", args[2])) do
    answer[#answer + 1] = row[1]
    answer[#answer + 1] = row[2][2]
  end
  return answer
end

--[[ tl_stream_erase: the subscriber is gone; nothing is told any more
  KEYS 1 stream  2 known  3 marks
]]
local function stream_erase(keys, args)
  redis.call("DEL", keys[1], keys[2], keys[3])
  redis.call("HSET", keys[3], "gone", "1")
  return 1
end

redis.register_function("tl_stream_add", stream_add)
redis.register_function("tl_stream_read", stream_read)
redis.register_function("tl_stream_erase", stream_erase)
