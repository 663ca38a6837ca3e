--[[ Queues of messages to addresses: waiting by due time, leased while somebody works on them, ended for a while.
  These functions know no business word: what an outcome means and when to try again is decided in the caller.

  KEYS 1 is always the base of a partition's queues, B = "tl:{p3}:q"; every other key is spelled from it, so all
  keys of one call have one hash tag. Times are unix ms and come from the caller.
    B:ready      zset   address -> when it can next give work (its score is when it was last served, where it has some)
    B:w:ADDRESS  zset   waiting message -> due
    B:l:ADDRESS  zset   leased message -> end of its lease
    B:a:ADDRESS  hash   cap, hold (until), rate (a second), burst, tok, tat (token bucket), h (health, JSON), v (its
                        version), order ("delivery", "vehicle"), o (messages behind the head of their order)
    B:o:ADDRESS:KEY list  messages of one order, the head first; only the head is waiting or leased
    B:m:MESSAGE  hash   a address, b body, s "p" pending or how it ended, n tries begun, l token of its lease, k order
                        key, t ended at, r its newest row
    B:t:ADDRESS  stream rows: m message, r JSON, newest last, at most so many
    B:d:ADDRESS  zset   dead message -> when it died
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

local function q_tokens(state, now)
  local rate = tonumber(state[3] or "0")
  if rate <= 0 then return nil end
  local burst = tonumber(state[4] or "1")
  local left = tonumber(state[5] or state[4] or "1")
  local since = tonumber(state[6] or now)
  return math.min(burst, left + math.max(0, now - since) * rate / 1000), rate
end

-- When an address can next give work; it leaves `ready` where there is none.
local function q_again(base, address, now, cap, hold, not_before)
  local waiting, leased = base .. ":w:" .. address, base .. ":l:" .. address
  local at = nil
  local first = redis.call("ZRANGE", leased, 0, 0, "WITHSCORES")
  if first[2] then at = tonumber(first[2]) end
  local head = redis.call("ZRANGE", waiting, 0, 0, "WITHSCORES")
  if head[2] and redis.call("ZCARD", leased) < cap then
    local due = math.max(tonumber(head[2]), now, hold, not_before)
    if not at or due < at then at = due end
  end
  if at then
    redis.call("ZADD", base .. ":ready", at, address)
  else
    redis.call("ZREM", base .. ":ready", address)
  end
end

--[[ tl_q_claim: lease what is due, the address first that was served longest ago
  KEYS 1 base
  ARGV 1 now  2 most in all  3 lease, ms  4 sender  5 cap of an address that has none of its own  6 rows kept
       7 an address that has its own room ("": none)  8 that room  9 prefix of subjects (an address' version is theirs)
  Returns { ms until there may be more (-1: nothing waits),
            then per address: address, version of its subject, health version, health, count,
                              then per message: id, tries begun with this one, body }
  A lease's token is "<sender>:<tries begun>".
]]
local function q_claim(keys, args)
  local base, now, most = keys[1], tonumber(args[1]), tonumber(args[2])
  local until_, sender, rows = now + tonumber(args[3]), args[4], args[6]
  local found = { 0 }
  local due = redis.call("ZRANGE", base .. ":ready", "-inf", now, "BYSCORE", "LIMIT", 0, 64)
  local share = math.max(1, math.floor(most / math.max(1, #due)))
  local taken = 0
  for _, address in ipairs(due) do
    local waiting, leased = base .. ":w:" .. address, base .. ":l:" .. address
    for _, lost in ipairs(redis.call("ZRANGE", leased, "-inf", now, "BYSCORE", "LIMIT", 0, 32)) do
      q_give_back(base, address, lost, now, rows)
    end
    local hash = base .. ":a:" .. address
    local state = redis.call("HMGET", hash, "cap", "hold", "rate", "burst", "tok", "tat", "v", "h")
    local cap, hold = tonumber(state[1] or args[5]), tonumber(state[2] or "0")
    local room = math.min(cap - redis.call("ZCARD", leased), share, most - taken)
    local not_before = 0
    if address == args[7] and room > tonumber(args[8]) then
      room = tonumber(args[8])
      if room <= 0 then not_before = now + 50 end
    end
    if hold > now then room = 0 end
    local tokens, rate = q_tokens(state, now)
    if tokens then room = math.min(room, math.floor(tokens)) end
    if room > 0 then
      local ids = redis.call("ZRANGE", waiting, "-inf", now, "BYSCORE", "LIMIT", 0, room)
      if #ids > 0 then
        redis.call("ZREM", waiting, unpack(ids))
        local subject = redis.call("HGET", args[9] .. address, "v")
        local at = #found
        found[at + 1], found[at + 2] = address, subject or "0"
        found[at + 3], found[at + 4], found[at + 5] = state[7] or "0", state[8] or "", 0
        local head = at + 5
        for _, id in ipairs(ids) do
          local message = base .. ":m:" .. id
          local known = redis.call("HMGET", message, "n", "b")
          if known[2] then
            local n = tonumber(known[1]) + 1
            redis.call("HSET", message, "n", n, "l", sender .. ":" .. n)
            redis.call("ZADD", leased, until_, id)
            found[#found + 1], found[#found + 2], found[#found + 3] = id, n, known[2]
            found[head] = found[head] + 1
            taken = taken + 1
          end
        end
        if tokens then tokens = tokens - found[head] end
      end
    end
    if tokens then
      redis.call("HSET", hash, "tok", string.format("%.3f", tokens), "tat", now)
      if tokens < 1 then not_before = math.max(not_before, now + math.ceil((1 - tokens) * 1000 / rate)) end
    end
    q_again(base, address, now, cap, hold, not_before)
  end
  local next_ = redis.call("ZRANGE", base .. ":ready", 0, 0, "WITHSCORES")
  found[1] = next_[2] and math.max(0, math.ceil(tonumber(next_[2]) - now)) or -1
  return found
end

local function q_settle_one(base, log, now, rows, dead_most, one)
  local address, message, token, what = one[1], one[2], one[3], one[4]
  local hash = base .. ":m:" .. message
  local known = redis.call("HMGET", hash, "l", "n", "k")
  if known[1] ~= token then
    if known[2] and one[6] ~= "" then
      local row = string.match(one[6], "^[^\n]+")
      q_row(base, address, message, string.gsub(row, '"outcome":"%a+"', '"outcome":"late"', 1), rows)
    end
    return 0
  end
  if redis.call("ZREM", base .. ":l:" .. address, message) == 0 then return 2 end
  if one[6] ~= "" then q_row(base, address, message, one[6], rows) end
  if what == "again" then
    redis.call("ZADD", base .. ":w:" .. address, one[5], message)
  elseif what == "back" then
    redis.call("HSET", hash, "n", tonumber(known[2]) - 1)
    redis.call("ZADD", base .. ":w:" .. address, one[5], message)
  else
    q_end(base, address, message, known[3], what, now, one[8])
    if what == "dead" then
      local dead = base .. ":d:" .. address
      redis.call("ZADD", dead, now, message)
      redis.call("ZREMRANGEBYRANK", dead, 0, -1 - dead_most)
      redis.call("PEXPIRE", dead, one[8])
    end
  end
  if one[7] ~= "" then redis.call("XADD", log, "*", "f", one[7]) end
  return 1
end

--[[ tl_q_settle: what tries came to, many at once; only who holds a lease changes anything
  KEYS 1 base  2 log
  ARGV 1 now  2 rows kept  3 dead letters kept  4 number of messages, 5 how long rows live, ms
       then per message eight: address, id, token, "done" | "again" | "back" | "dead", due, row, fact, keep for ms
       then per address: address, health version seen, health, hold until, cap ("": the common one), count, facts ...
  Returns { 1 settled | 0 the lease was another's: a row says so | 2 settled before, ...,
            then per address false, or {version, health} where another version is saved: nothing of it was changed }
  "back" gives a message back without a try used up.
]]
local function q_settle(keys, args)
  local base, log, now, rows = keys[1], keys[2], args[1], args[2]
  local count = tonumber(args[4])
  local answer, touched = {}, {}
  local at = 6
  for i = 1, count do
    answer[i] = q_settle_one(base, log, now, rows, tonumber(args[3]), { unpack(args, at, at + 7) })
    touched[args[at]] = true
    at = at + 8
  end
  while at <= #args do
    local address, facts = args[at], tonumber(args[at + 5])
    local hash = base .. ":a:" .. address
    local known = redis.call("HMGET", hash, "v", "h")
    if (known[1] or "0") == args[at + 1] then
      redis.call("HSET", hash, "v", tonumber(args[at + 1]) + 1, "h", args[at + 2], "hold", args[at + 3])
      if args[at + 4] == "" then
        redis.call("HDEL", hash, "cap")
      else
        redis.call("HSET", hash, "cap", args[at + 4])
      end
      for i = 1, facts do redis.call("XADD", log, "*", "f", args[at + 5 + i]) end
      answer[#answer + 1] = false
    else
      answer[#answer + 1] = { known[1] or "0", known[2] or "" }
    end
    touched[address] = true
    at = at + 6 + facts
  end
  for address, _ in pairs(touched) do
    local head = redis.call("ZRANGE", base .. ":w:" .. address, 0, 0, "WITHSCORES")
    if head[2] then q_ready(base, address, math.max(tonumber(now), tonumber(head[2]))) end
    redis.call("PEXPIRE", base .. ":t:" .. address, args[5])
  end
  return answer
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
  KEYS 1 base   ARGV 1 now  2 address  3 until  4 rate a second (0: none; "": as it is)  5 burst
                    6 order ("none" | "delivery" | "vehicle"; "": as it is)
]]
local function q_hold(keys, args)
  local base, address = keys[1], args[2]
  local hash = base .. ":a:" .. address
  redis.call("HSET", hash, "hold", args[3])
  if args[4] ~= "" then redis.call("HSET", hash, "rate", args[4], "burst", args[5]) end
  if args[6] == "none" then
    redis.call("HDEL", hash, "order")
  elseif args[6] ~= "" then
    redis.call("HSET", hash, "order", args[6])
  end
  if redis.call("ZCARD", base .. ":w:" .. address) > 0 then q_ready(base, address, args[1]) end
  return 1
end

--[[ tl_q_return: what a sender that is gone had leased goes back at once
  KEYS 1 base   ARGV 1 now  2 sender  3 rows kept   then messages it still works on
  Returns how many
]]
local function q_return(keys, args)
  local base, now, mine = keys[1], args[1], args[2] .. ":"
  local spared, count = {}, 0
  for i = 4, #args do spared[args[i]] = true end
  for _, address in ipairs(redis.call("ZRANGE", base .. ":ready", 0, -1)) do
    local before = count
    for _, message in ipairs(redis.call("ZRANGE", base .. ":l:" .. address, 0, -1)) do
      local token = redis.call("HGET", base .. ":m:" .. message, "l")
      if token and string.sub(token, 1, #mine) == mine and not spared[message] then
        q_give_back(base, address, message, now, args[3])
        count = count + 1
      end
    end
    if count > before then q_ready(base, address, now) end
  end
  return count
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
redis.register_function("tl_q_claim", q_claim)
redis.register_function("tl_q_settle", q_settle)
redis.register_function("tl_q_withdraw", q_withdraw)
redis.register_function("tl_q_resend", q_resend)
redis.register_function("tl_q_hold", q_hold)
redis.register_function("tl_q_return", q_return)
redis.register_function("tl_q_purge", q_purge)
