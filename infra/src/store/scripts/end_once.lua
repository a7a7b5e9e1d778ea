-- Keeps the end of a request with a name of its own, and makes room for it: what has ended goes first,
-- then what ends soonest.
-- KEYS: the record of the name, the account's index (names by the time they end), their sizes
-- ARGV: the name, the request, the answer, seconds to keep it, bytes and number that the account may have
-- Answers 1, or 0 when the request leads no more.
local name, answer, ttl = ARGV[1], ARGV[3], tonumber(ARGV[4])
local bytes_max, number_max = tonumber(ARGV[5]), tonumber(ARGV[6])
if redis.call('HGET', KEYS[1], 'request') ~= ARGV[2] then return 0 end
local names = string.sub(KEYS[1], 1, #KEYS[1] - #name)
local now = tonumber(redis.call('TIME')[1])

local function forget(old)
  local bytes = redis.call('HGET', KEYS[3], old)
  if old ~= name then redis.call('DEL', names .. old) end
  redis.call('ZREM', KEYS[2], old)
  redis.call('HDEL', KEYS[3], old)
  -- '-0' is no integer for HINCRBY.
  if bytes and bytes ~= '0' then redis.call('HINCRBY', KEYS[3], 'total', '-' .. bytes) end
end

for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 256)) do
  -- A name may be in use anew since.
  if redis.call('EXISTS', names .. old) == 0 or old == name then forget(old) end
end
forget(name)
-- What is too large is remembered without its words: the name stays used.
if #answer > bytes_max then answer = '' end
while tonumber(redis.call('HGET', KEYS[3], 'total') or '0') + #answer > bytes_max
  or redis.call('ZCARD', KEYS[2]) >= number_max do
  local soonest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not soonest then
    -- The index was lost without its sizes: what they counted is gone, too.
    redis.call('DEL', KEYS[3])
    break
  end
  forget(soonest)
end
redis.call('HSET', KEYS[1], 'answer', answer)
redis.call('EXPIRE', KEYS[1], ttl)
redis.call('ZADD', KEYS[2], now + ttl, name)
redis.call('HSET', KEYS[3], name, #answer)
redis.call('HINCRBY', KEYS[3], 'total', #answer)
for _, list in ipairs({KEYS[2], KEYS[3]}) do
  if redis.call('TTL', list) < ttl then redis.call('EXPIRE', list, ttl) end
end
return 1
