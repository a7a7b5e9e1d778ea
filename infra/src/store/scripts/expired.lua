-- The holds of a part that are past their time by Redis's own clock, and whose they are.
-- KEYS: holds   ARGV: prefix of the part, how many at most
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local found = {}
for _, request in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now),
                                    'LIMIT', 0, ARGV[2])) do
  local names = redis.call('HMGET', ARGV[1] .. 'hold:' .. request, 'account', 'key')
  if names[1] and names[2] then
    found[#found + 1] = {request, names[1], names[2]}
  else
    -- A member without its hash (evicted) would come back for ever.
    redis.call('ZREM', KEYS[1], request)
  end
end
return found
