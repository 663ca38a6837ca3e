--[[ tl_rate: count one event in a sliding window, if there is room
  KEYS 1 the times of the last events, newest first (list of unix ms)
  ARGV 1 limit  2 window, ms  3 now, unix ms
  Returns 0 counted | ms to wait
]]
local function rate(keys, args)
  local limit, window, now = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  if limit < 1 then return window end
  local oldest = redis.call("LINDEX", keys[1], limit - 1)
  if oldest then
    local wait = tonumber(oldest) + window - now
    if wait > 0 then return wait end
  end
  redis.call("LPUSH", keys[1], now)
  redis.call("LTRIM", keys[1], 0, limit - 1)
  redis.call("PEXPIRE", keys[1], window)
  return 0
end

redis.register_function("tl_rate", rate)
