-- Keeps one response for its account. The oldest give way when the account's bytes or their number
-- would be exceeded; those whose time is over are forgotten first.
-- KEYS: response, order (ids by the time they end), sizes (id -> bytes)
-- ARGV: response, lifetime in s, id, bytes of the account, number of the account, prefix of responses,
-- 'again' when it is only kept if it is there, else ''
local now = tonumber(redis.call('TIME')[1])
local lifetime, id, prefix = tonumber(ARGV[2]), ARGV[3], ARGV[6]
if ARGV[7] == 'again' and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local function forget(old)
  redis.call('ZREM', KEYS[2], old)
  redis.call('HDEL', KEYS[3], old)
  redis.call('DEL', prefix .. old)
end
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do forget(old) end
forget(id)
local bytes, number = #ARGV[1], redis.call('ZCARD', KEYS[2]) + 1
for _, size in ipairs(redis.call('HVALS', KEYS[3])) do bytes = bytes + tonumber(size) end
while bytes > tonumber(ARGV[4]) or number > tonumber(ARGV[5]) do
  local old = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not old then return 0 end
  bytes, number = bytes - tonumber(redis.call('HGET', KEYS[3], old) or 0), number - 1
  forget(old)
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', lifetime)
redis.call('ZADD', KEYS[2], now + lifetime, id)
redis.call('HSET', KEYS[3], id, #ARGV[1])
redis.call('EXPIRE', KEYS[2], lifetime)
redis.call('EXPIRE', KEYS[3], lifetime)
return 1
