--[[ Queues of messages to addresses: waiting by due time, leased while somebody works on them, ended for a while.
  These functions know no business word: what an outcome means and when to try again is decided in the caller.

  KEYS 1 is always the base of a partition's queues, B = "tl:{p3}:q"; every other key is spelled from it, so all
  keys of one call have one hash tag. Times are unix ms and come from the caller.
    B:ready      zset   address -> when it can next give work (its score is when it was last served, where it has some)
    B:w:ADDRESS  zset   waiting message -> due
    B:l:ADDRESS  zset   leased message -> end of its lease, by the server's own clock
    B:a:ADDRESS  hash   cap, hold (until), rate (a second), burst, tok, tat (token bucket), h (health, JSON), v (its
                        version), order ("delivery", "vehicle"), o (messages behind the head of their order)
    B:o:ADDRESS:KEY list  messages of one order, the head first; only the head is waiting or leased
    B:m:MESSAGE  hash   a address, b body, s "p" pending or how it ended, n tries begun, e leases ever given (it
                        never falls), l token of its lease, k order key, t ended at, r its newest row
    B:t:ADDRESS  stream rows: m message, r JSON, newest last, at most so many
    B:d:ADDRESS  zset   dead message -> when it died
    B:u:SENDER   hash   address -> the newest change of its health that this sender has saved
]]

-- One row, or several of one message, a line each.
local function q_row(base, address, message, lines, rows)
  local at
  for row in string.gmatch(lines, "[^\n]+") do
    at = redis.call("XADD", base .. ":t:" .. address, "MAXLEN", "~", rows, "*", "m", message, "r", row)
  end
  if at then redis.call("HSET", base .. ":m:" .. message, "r", at) end
end

local function q_ready(base, address, at)
  redis.call("ZADD", base .. ":ready", "LT", at, address)
end

-- Wait for the next try: the head of its order, or one without order.
local function q_wait(base, address, message, due)
  redis.call("ZADD", base .. ":w:" .. address, due, message)
  q_ready(base, address, due)
end

-- A message leaves its order; if it was the head, the next one may go.
local function q_unorder(base, address, message, key, now)
  if not key then return end
  local list = base .. ":o:" .. address .. ":" .. key
  local was_head = redis.call("LINDEX", list, 0) == message
  if redis.call("LREM", list, 1, message) == 0 then return end
  if not was_head then
    redis.call("HINCRBY", base .. ":a:" .. address, "o", -1)
    return
  end
  local head = redis.call("LINDEX", list, 0)
  if head then
    redis.call("HINCRBY", base .. ":a:" .. address, "o", -1)
    q_wait(base, address, head, now)
  end
end

local function q_enter(base, address, message, key, due)
  if key then
    local list = base .. ":o:" .. address .. ":" .. key
    if redis.call("RPUSH", list, message) > 1 then
      redis.call("HINCRBY", base .. ":a:" .. address, "o", 1)
      return
    end
  end
  q_wait(base, address, message, due)
end

local function q_end(base, address, message, key, state, now, keep)
  local hash = base .. ":m:" .. message
  redis.call("HSET", hash, "s", state, "t", now)
  redis.call("PEXPIRE", hash, keep)
  q_unorder(base, address, message, key, now)
end

-- A lease whose holder is lost: its try has a row, and the message goes first.
local function q_give_back(base, address, message, now, rows)
  local hash = base .. ":m:" .. message
  redis.call("ZREM", base .. ":l:" .. address, message)
  local n = redis.call("HGET", hash, "n")
  if not n then return end
  redis.call("HDEL", hash, "l")
  local row = string.format('{"n":%s,"at":%s,"outcome":"interrupted","reason":"sender_lost"}', n, now)
  q_row(base, address, message, row, rows)
  redis.call("ZADD", base .. ":w:" .. address, 0, message)
end

local function q_backlog(base, address)
  return redis.call("ZCARD", base .. ":w:" .. address) + redis.call("ZCARD", base .. ":l:" .. address)
    + tonumber(redis.call("HGET", base .. ":a:" .. address, "o") or "0")
end

--[[ tl_q_put: take a message, once
  KEYS 1 base  2 cursors  3 lease of the acknowledging reader
  ARGV 1 message  2 address  3 due  4 body  5 most the address may hold
       6 its delivery, 7 its vehicle ("": none): the key of its order, where the address asked for one
       8 acknowledging group ("": none)  9 position  10 lease token
  Returns 1 new | 0 known | -1 the address is full | -2 the reader's lease is somebody else's: nothing was saved
]]
local function q_put(keys, args)
  local base, message, address = keys[1], args[1], args[2]
  if args[8] ~= "" and redis.call("GET", keys[3]) ~= args[10] then return -2 end
  local new = 0
  if redis.call("EXISTS", base .. ":m:" .. message) == 0 then
    if q_backlog(base, address) >= tonumber(args[5]) then return -1 end
    local order, key = redis.call("HGET", base .. ":a:" .. address, "order"), ""
    if order == "vehicle" and args[7] ~= "" then
      key = args[7]
    elseif order then
      key = args[6]
    end
    local hash = base .. ":m:" .. message
    redis.call("HSET", hash, "a", address, "b", args[4], "s", "p", "n", 0)
    if key ~= "" then redis.call("HSET", hash, "k", key) end
    q_enter(base, address, message, key ~= "" and key, args[3])
    new = 1
  end
  if args[8] ~= "" then advance(keys[2], args[8], args[9]) end
  return new
end

--[[ tl_q_withdraw: a message ends without another try; one on the wire may still arrive
  KEYS 1 base   ARGV 1 now  2 address  3 message  4 state  5 row  6 rows kept  7 keep for, ms
  Returns 1 | 0 it has ended, or there is none
]]
local function q_withdraw(keys, args)
  local base, address, message = keys[1], args[2], args[3]
  local hash = base .. ":m:" .. message
  local known = redis.call("HMGET", hash, "s", "k")
  if known[1] ~= "p" then return 0 end
  redis.call("ZREM", base .. ":w:" .. address, message)
  redis.call("ZREM", base .. ":l:" .. address, message)
  redis.call("HDEL", hash, "l")
  q_row(base, address, message, args[5], args[6])
  q_end(base, address, message, known[2], args[4], args[1], args[7])
  return 1
end

--[[ tl_q_resend: an ended message is tried anew, from its first try
  KEYS 1 base   ARGV 1 now  2 address  3 message  4 most the address may hold
  Returns 1 | 0 it is pending or there is none | -1 the address is full
]]
local function q_resend(keys, args)
  local base, address, message = keys[1], args[2], args[3]
  local hash = base .. ":m:" .. message
  local known = redis.call("HMGET", hash, "s", "k")
  if not known[1] or known[1] == "p" then return 0 end
  if q_backlog(base, address) >= tonumber(args[4]) then return -1 end
  redis.call("HSET", hash, "s", "p", "n", 0)
  redis.call("HDEL", hash, "l", "t")
  redis.call("PERSIST", hash)
  redis.call("ZREM", base .. ":d:" .. address, message)
  q_enter(base, address, message, known[2], args[1])
  return 1
end

--[[ tl_q_hold: leave an address alone until then, or not at all (0)
  KEYS 1 base   ARGV 1 now  2 address  3 until ("": as it is)  4 rate a second (0: none; "": as it is)  5 burst
                    6 order ("none" | "delivery" | "vehicle"; "": as it is)
                    7 where it is left alone until exactly then, it is no longer ("": as it is)
]]
local function q_hold(keys, args)
  local base, address = keys[1], args[2]
  local hash = base .. ":a:" .. address
  if args[3] ~= "" then redis.call("HSET", hash, "hold", args[3]) end
  if args[7] ~= "" and redis.call("HGET", hash, "hold") == args[7] then redis.call("HSET", hash, "hold", 0) end
  if args[4] ~= "" then redis.call("HSET", hash, "rate", args[4], "burst", args[5]) end
  if args[6] == "none" then
    redis.call("HDEL", hash, "order")
  elseif args[6] ~= "" then
    redis.call("HSET", hash, "order", args[6])
  end
  if redis.call("ZCARD", base .. ":w:" .. address) > 0 then q_ready(base, address, args[1]) end
  return 1
end

--[[ tl_q_purge: erase an address with all its messages, some at a time
  KEYS 1 base   ARGV 1 address  2 most at once
  Returns how many messages were erased; 0: nothing is left of it
]]
local function q_purge(keys, args)
  local base, address = keys[1], args[1]
  local count = 0
  for _, kind in ipairs({ ":w:", ":l:", ":d:" }) do
    local ids = redis.call("ZRANGE", base .. kind .. address, 0, tonumber(args[2]) - 1)
    for _, id in ipairs(ids) do
      local key = redis.call("HGET", base .. ":m:" .. id, "k")
      if key then
        local list = base .. ":o:" .. address .. ":" .. key
        for _, behind in ipairs(redis.call("LRANGE", list, 0, -1)) do redis.call("UNLINK", base .. ":m:" .. behind) end
        redis.call("UNLINK", list)
      end
      redis.call("UNLINK", base .. ":m:" .. id)
      redis.call("ZREM", base .. kind .. address, id)
    end
    count = count + #ids
  end
  if count > 0 then return count end
  for _, entry in ipairs(redis.call("XRANGE", base .. ":t:" .. address, "-", "+")) do
    redis.call("UNLINK", base .. ":m:" .. entry[2][2])
  end
  redis.call("UNLINK", base .. ":t:" .. address, base .. ":a:" .. address)
  redis.call("ZREM", base .. ":ready", address)
  return 0
end

redis.register_function("tl_q_put", q_put)
redis.register_function("tl_q_withdraw", q_withdraw)
redis.register_function("tl_q_resend", q_resend)
redis.register_function("tl_q_hold", q_hold)
redis.register_function("tl_q_purge", q_purge)
