--[[ Save subjects, facts, timers, once-marker and acknowledgement together, or change nothing.
  These functions know no business word: which step is allowed is decided in <domain>/states.py.

  A subject is a hash: v version, s state, b body, w wake at (unix ms), e "1" where it has ended (a tombstone).
  A row is what HMGET gives of these five; false where a field is missing.
]]

local function row(key)
  return redis.call("HMGET", key, "v", "s", "b", "w", "e")
end

-- Stream positions "ms-seq" compare by number, not as text.
local function is_later(one, other)
  local ms, seq = string.match(one, "^(%d+)-(%d+)$")
  local other_ms, other_seq = string.match(other, "^(%d+)-(%d+)$")
  ms, other_ms = tonumber(ms), tonumber(other_ms)
  if ms ~= other_ms then return ms > other_ms end
  return tonumber(seq) > tonumber(other_seq)
end

local function advance(cursors, group, position)
  local cursor = redis.call("HGET", cursors, group)
  if not cursor or is_later(position, cursor) then
    redis.call("HSET", cursors, group, position)
  end
end

--[[ tl_load
  KEYS  1 once-marker   2.. subjects
  ARGV  1 "1": look at the marker
  Returns {marker or false, row, row, ...}
]]
local function load(keys, args)
  local found = { args[1] == "1" and redis.call("GET", keys[1]) or false }
  for i = 2, #keys do found[i] = row(keys[i]) end
  return found
end

-- Where the log stands now: the time of its last entry, for tombstones of a change without facts.
local function log_time(log)
  local last = redis.call("XREVRANGE", log, "+", "-", "COUNT", 1)
  if last[1] then return string.match(last[1][1], "^(%d+)") end
  local now = redis.call("TIME")
  return string.format("%d%03d", now[1], math.floor(now[2] / 1000))
end

--[[ tl_commit
  KEYS  1 log   2 cursors   3 lease   4 once-marker   5 tombstones   6 late timers
        then per subject two: its hash, the timers of its kind
  ARGV  1 how long to keep the marker, ms ("": no marker)   2 fingerprint   3 answer
        4 acknowledging group ("": none)   5 position   6 lease token
        7 number of subjects
        then per subject six: id, version seen, "guard" | "write" | "end", state, body, wake at ms ("": no timer)
        then the facts, one JSON each
  Returns {"OK", position of each fact ...}
        | {"CONFLICT", row, ...}     another version is saved: all rows as they stand
        | {"SEEN", answer, row, ...} the marker is there
        | {"OTHER"}                  the marker is there with another fingerprint
        | {"LOST"}                   the lease is somebody else's by now: nothing is saved
]]
local function commit(keys, args)
  local count = tonumber(args[7])
  local function rows(answer)
    for i = 0, count - 1 do answer[#answer + 1] = row(keys[7 + 2 * i]) end
    return answer
  end

  if args[1] ~= "" then
    local marker = redis.call("GET", keys[4])
    if marker then
      local fingerprint, answer = string.match(marker, "^([^\n]*)\n(.*)$")
      if fingerprint ~= args[2] then return { "OTHER" } end
      return rows({ "SEEN", answer })
    end
  end
  if args[4] ~= "" and redis.call("GET", keys[3]) ~= args[6] then return { "LOST" } end
  for i = 0, count - 1 do
    if (redis.call("HGET", keys[7 + 2 * i], "v") or "0") ~= args[9 + 6 * i] then return rows({ "CONFLICT" }) end
  end

  local answer = { "OK" }
  for i = 8 + 6 * count, #args do
    answer[#answer + 1] = redis.call("XADD", keys[1], "*", "f", args[i])
  end
  for i = 0, count - 1 do
    local key, due = keys[7 + 2 * i], keys[8 + 2 * i]
    local at = 8 + 6 * i
    local id, what, wake = args[at], args[at + 2], args[at + 5]
    if what ~= "guard" then
      local before = redis.call("HMGET", key, "w", "e")
      redis.call("HSET", key, "v", tonumber(args[at + 1]) + 1, "s", args[at + 3])
      if what == "end" then
        redis.call("HDEL", key, "b", "w")
        redis.call("HSET", key, "e", "1")
        redis.call("ZADD", keys[5], log_time(keys[1]), id)
      else
        redis.call("HSET", key, "b", args[at + 4])
        if before[2] then
          redis.call("HDEL", key, "e")
          redis.call("ZREM", keys[5], id)
        end
      end
      -- An unchanged timer is left alone: it may be snoozed after a failure.
      if wake ~= (before[1] or "") then
        if wake == "" then
          redis.call("HDEL", key, "w")
          redis.call("ZREM", due, id)
        else
          redis.call("HSET", key, "w", wake)
          redis.call("ZADD", due, wake, id)
        end
        redis.call("HDEL", keys[6], id)
      end
    end
  end
  if args[1] ~= "" then
    redis.call("SET", keys[4], args[2] .. "\n" .. args[3], "PX", args[1])
  end
  if args[4] ~= "" then advance(keys[2], args[4], args[5]) end
  return answer
end

redis.register_function("tl_load", load)
redis.register_function("tl_commit", commit)
