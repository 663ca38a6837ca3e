--[[ What a sender does with queues (queues.lua, which stands before this file, says what their keys are): lease what is
  due, settle what came of it, give back what somebody who is gone had.
]]

local function q_tokens(state, now)
  local rate = tonumber(state[3] or "0")
  if rate <= 0 then return nil end
  local burst = tonumber(state[4] or "1")
  local left = tonumber(state[5] or state[4] or "1")
  local since = tonumber(state[6] or now)
  return math.min(burst, left + math.max(0, now - since) * rate / 1000), rate
end

-- When an address can next give work; it leaves `ready` where there is none. `ahead`: how far this server's clock is.
local function q_again(base, address, now, ahead, cap, hold, not_before)
  local waiting, leased = base .. ":w:" .. address, base .. ":l:" .. address
  local at = nil
  local first = redis.call("ZRANGE", leased, 0, 0, "WITHSCORES")
  if first[2] then at = tonumber(first[2]) - ahead end
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
       10 "1": that address alone
  Returns { ms until there may be more (-1: nothing waits),
            then per address: address, version of its subject, health version, health, count,
                              then per message: id, tries begun with this one, leases given with this one, body }
  Leases end by this server's own clock: a sender whose clock is wrong takes nobody's.
  A lease's token is "<sender>:<leases given>": tries are counted anew after a resend, leases never.
]]
local function q_claim(keys, args)
  local base, now, most = keys[1], tonumber(args[1]), tonumber(args[2])
  local clock = redis.call("TIME")
  local here = clock[1] * 1000 + math.floor(clock[2] / 1000)
  local until_, sender, rows = here + tonumber(args[3]), args[4], args[6]
  local found = { 0 }
  local due
  if args[10] == "1" then
    local at = redis.call("ZSCORE", base .. ":ready", args[7])
    due = at and tonumber(at) <= now and { args[7] } or {}
  else
    due = redis.call("ZRANGE", base .. ":ready", "-inf", now, "BYSCORE", "LIMIT", 0, 64)
  end
  local share = math.max(1, math.floor(most / math.max(1, #due)))
  local taken = 0
  for _, address in ipairs(due) do
    if taken >= most then break end -- those not looked at keep their place before those that were served
    local waiting, leased = base .. ":w:" .. address, base .. ":l:" .. address
    for _, lost in ipairs(redis.call("ZRANGE", leased, "-inf", here, "BYSCORE", "LIMIT", 0, 32)) do
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
            local lease = redis.call("HINCRBY", message, "e", 1)
            redis.call("HSET", message, "n", n, "l", sender .. ":" .. lease)
            redis.call("ZADD", leased, until_, id)
            local last = #found
            found[last + 1], found[last + 2], found[last + 3], found[last + 4] = id, n, lease, known[2]
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
    q_again(base, address, now, here - now, cap, hold, not_before)
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

-- What an address' health becomes: `false`, or why it does not (see tl_q_settle).
local function q_settle_health(base, log, marks, one)
  local address, mark = one[1], one[6]
  local hash = base .. ":a:" .. address
  local known = redis.call("HMGET", hash, "v", "h")
  if redis.call("HGET", marks, address) == mark then return { known[1] or "0", known[2] or "", "1" } end
  if one[7] ~= "1" and redis.call("EXISTS", hash) == 0 then return {} end
  if (known[1] or "0") ~= one[2] then return { known[1] or "0", known[2] or "" } end
  redis.call("HSET", hash, "v", tonumber(one[2]) + 1, "h", one[3], "hold", one[4])
  if one[5] == "" then
    redis.call("HDEL", hash, "cap")
  else
    redis.call("HSET", hash, "cap", one[5])
  end
  redis.call("HSET", marks, address, mark)
  for i = 9, #one do redis.call("XADD", log, "*", "f", one[i]) end
  return false
end

--[[ tl_q_settle: what tries came to, many at once; only who holds a lease changes anything
  KEYS 1 base  2 log
  ARGV 1 now  2 rows kept  3 dead letters kept  4 number of messages, 5 how long rows live, ms  6 sender
       then per message eight: address, id, token, "done" | "again" | "back" | "dead", due, row, fact, keep for ms
       then per address: address, health version seen, health, hold until, cap ("": the common one),
                         mark of this change, "1" where it may be the first thing known of the address,
                         count, facts ...
  Returns { 1 settled | 0 the lease was another's: a row says so | 2 settled before, ...,
            then per address false: saved
                             | {version, health, "1"} this very change was saved before, its answer was lost
                             | {version, health} another version is saved: nothing of it was changed
                             | {} nothing is known of the address (any more): it was erased, and stays so }
  "back" gives a message back without a try used up. A sender's marks grow; it sends a change anew until it is answered.
]]
local function q_settle(keys, args)
  local base, log, now, rows = keys[1], keys[2], args[1], args[2]
  local count, marks = tonumber(args[4]), base .. ":u:" .. args[6]
  local answer, touched = {}, {}
  local at = 7
  for i = 1, count do
    answer[i] = q_settle_one(base, log, now, rows, tonumber(args[3]), { unpack(args, at, at + 7) })
    touched[args[at]] = true
    at = at + 8
  end
  local changes = at <= #args
  while at <= #args do
    local last = at + 7 + tonumber(args[at + 7])
    answer[#answer + 1] = q_settle_health(base, log, marks, { unpack(args, at, last) })
    touched[args[at]] = true
    at = last + 1
  end
  if changes then redis.call("PEXPIRE", marks, args[5]) end
  for address, _ in pairs(touched) do
    local head = redis.call("ZRANGE", base .. ":w:" .. address, 0, 0, "WITHSCORES")
    if head[2] then q_ready(base, address, math.max(tonumber(now), tonumber(head[2]))) end
    redis.call("PEXPIRE", base .. ":t:" .. address, args[5])
  end
  return answer
end

--[[ tl_q_return: what a sender that is gone had leased goes back at once
  KEYS 1 base   ARGV 1 now  2 sender  3 rows kept   then the leases it still works on, each "<message> <token>"
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
      if token and string.sub(token, 1, #mine) == mine and not spared[message .. " " .. token] then
        q_give_back(base, address, message, now, args[3])
        count = count + 1
      end
    end
    if count > before then q_ready(base, address, now) end
  end
  return count
end

redis.register_function("tl_q_claim", q_claim)
redis.register_function("tl_q_settle", q_settle)
redis.register_function("tl_q_return", q_return)
