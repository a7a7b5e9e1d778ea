-- Puts holds back that a wiped or rolled-back view has forgotten: their requests are still running.
-- Whether the balance covers them was decided when they were made, so it isn't asked again.
-- Each lives as long as it was reserved for: a configuration may have come meanwhile.
-- KEYS: holds, total   ARGV: prefix of the part,
--       holds as JSON: [{request, account, key, amount, lifetime_ms}]
local holds, total, prefix = KEYS[1], KEYS[2], ARGV[1]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local renewed = 0
for _, held in ipairs(cjson.decode(ARGV[2])) do
  local hold = prefix .. 'hold:' .. held.request
  if redis.call('EXISTS', hold) == 0 then
    redis.call('HINCRBY', prefix .. 'account:' .. held.account, 'held', held.amount)
    redis.call('HINCRBY', prefix .. 'key:' .. held.key, 'held', held.amount)
    redis.call('HINCRBY', total, 'held', held.amount)
    redis.call('HSET', hold, 'state', 'held', 'amount', held.amount, 'account', held.account,
               'key', held.key, 'lifetime', string.format('%.0f', held.lifetime_ms))
    redis.call('ZADD', holds, string.format('%.0f', now + held.lifetime_ms), held.request)
    renewed = renewed + 1
  end
end
return renewed
