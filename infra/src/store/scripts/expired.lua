-- The holds of a part that are past their time by Redis's own clock, and whose they are.
-- KEYS: holds   ARGV: prefix of the part, how many at most
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

-- When the clock goes back all holds would stay that much longer. The last of them shows it: none ends
-- later than its own lifetime from now.
local function ends_at_last(request)
  local lifetime = redis.call('HGET', ARGV[1] .. 'hold:' .. request, 'lifetime')
  return lifetime and now + tonumber(lifetime)
end
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if last[1] and tonumber(last[2]) > (ends_at_last(last[1]) or math.huge) then
  for _, request in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    local ends = ends_at_last(request)
    if ends and tonumber(redis.call('ZSCORE', KEYS[1], request)) > ends then
      redis.call('ZADD', KEYS[1], string.format('%.0f', ends), request)
    end
  end
end

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
