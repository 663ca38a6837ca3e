--[[ tl_archived: a segment of the log is safely away
  KEYS 1 what is archived (hash: segment, through, sha256)
  ARGV 1 sha256 of the segment before ("": none)  2 segment  3 through  4 sha256   Returns 1 | 0 another was first
]]
local function archived(keys, args)
  if (redis.call("HGET", keys[1], "sha256") or "") ~= args[1] then return 0 end
  redis.call("HSET", keys[1], "segment", args[2], "through", args[3], "sha256", args[4])
  return 1
end

--[[ tl_bury: drop a tombstone whose facts can no longer be read
  KEYS 1 tombstones  2 subject   ARGV 1 id  2 latest time, unix ms   Returns 1 dropped | 0
]]
local function bury(keys, args)
  local ended = redis.call("ZSCORE", keys[1], args[1])
  if not ended or tonumber(ended) > tonumber(args[2]) then return 0 end
  redis.call("ZREM", keys[1], args[1])
  if redis.call("HGET", keys[2], "e") ~= "1" then return 0 end
  redis.call("DEL", keys[2])
  return 1
end

redis.register_function("tl_archived", archived)
redis.register_function("tl_bury", bury)
