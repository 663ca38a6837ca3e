--[[ What readers and timers do under a lease. Each step that moves a cursor or a held entry proves its lease token:
  a holder that stalled and comes back finds its token gone and changes nothing.
]]

--[[ tl_lease: take a free lease, or renew mine
  KEYS 1 lease   ARGV 1 token  2 for how long, ms   Returns 1 mine | 0 somebody else's
]]
local function lease(keys, args)
  local holder = redis.call("GET", keys[1])
  if holder and holder ~= args[1] then return 0 end
  redis.call("SET", keys[1], args[1], "PX", args[2])
  return 1
end

--[[ tl_release: give back my lease
  KEYS 1 lease   ARGV 1 token
]]
local function release(keys, args)
  if redis.call("GET", keys[1]) == args[1] then redis.call("DEL", keys[1]) end
  return 1
end

--[[ tl_advance: everything up to a position is handled or held
  KEYS 1 lease  2 cursors   ARGV 1 token  2 group  3 position   Returns 1 | 0 lease lost
]]
local function advance_cursor(keys, args)
  if redis.call("GET", keys[1]) ~= args[1] then return 0 end
  advance(keys[2], args[2], args[3])
  return 1
end

--[[ tl_hold: keep an entry back, or save how its last try went; what came before it is handled or held
  KEYS 1 lease  2 cursors  3 held   ARGV 1 token  2 group  3 position  4 JSON   Returns 1 | 0 lease lost
]]
local function hold(keys, args)
  if redis.call("GET", keys[1]) ~= args[1] then return 0 end
  redis.call("HSET", keys[3], args[3], args[4])
  advance(keys[2], args[2], args[3])
  return 1
end

--[[ tl_settle: a held entry is handled
  KEYS 1 lease  2 held   ARGV 1 token  2 position   Returns 1 | 0 lease lost
]]
local function settle(keys, args)
  if redis.call("GET", keys[1]) ~= args[1] then return 0 end
  redis.call("HDEL", keys[2], args[2])
  return 1
end

--[[ tl_unpark: an operator sends a parked entry back to work, or gives it up
  KEYS 1 held  2 skipped   ARGV 1 position  2 JSON as seen  3 new JSON ("": give it up)  4 why
  Returns 1 | 0 it has changed since
]]
local function unpark(keys, args)
  if redis.call("HGET", keys[1], args[1]) ~= args[2] then return 0 end
  if args[3] == "" then
    redis.call("HDEL", keys[1], args[1])
    redis.call("XADD", keys[2], "*", "position", args[1], "held", args[2], "why", args[4])
  else
    redis.call("HSET", keys[1], args[1], args[3])
  end
  return 1
end

--[[ tl_snooze: a timer's handler failed; try again later unless the timer was set anew meanwhile
  KEYS 1 lease  2 timers  3 late   ARGV 1 token  2 subject  3 score seen  4 new score  5 JSON
  Returns 1 | 0 lease lost or timer changed
]]
local function snooze(keys, args)
  if redis.call("GET", keys[1]) ~= args[1] then return 0 end
  if redis.call("ZSCORE", keys[2], args[2]) ~= args[3] then return 0 end
  redis.call("ZADD", keys[2], args[4], args[2])
  redis.call("HSET", keys[3], args[2], args[5])
  return 1
end

--[[ tl_untimed: drop a timer whose subject is gone, unless it was set anew meanwhile
  KEYS 1 timers  2 late   ARGV 1 subject  2 score seen
]]
local function untimed(keys, args)
  if redis.call("ZSCORE", keys[1], args[1]) == args[2] then
    redis.call("ZREM", keys[1], args[1])
    redis.call("HDEL", keys[2], args[1])
  end
  return 1
end

--[[ tl_soonest: when the first timer of each kind fires
  KEYS timers, one key a kind   Returns per key its first time, unix ms, "" where there is none
]]
local function soonest(keys)
  local found = {}
  for i = 1, #keys do found[i] = redis.call("ZRANGE", keys[i], 0, 0, "WITHSCORES")[2] or "" end
  return found
end

redis.register_function("tl_lease", lease)
redis.register_function("tl_release", release)
redis.register_function("tl_advance", advance_cursor)
redis.register_function("tl_hold", hold)
redis.register_function("tl_settle", settle)
redis.register_function("tl_unpark", unpark)
redis.register_function("tl_snooze", snooze)
redis.register_function("tl_untimed", untimed)
redis.register_function("tl_soonest", soonest)
