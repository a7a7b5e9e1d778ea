-- Keeps one answer of a tenant and makes room for it: what has ended goes first, then what ends
-- soonest. Those that follow its question find it: the request that asked leads no more.
-- KEYS: the answer, the tenant's index (digests by the time they end), their sizes, who leads
-- ARGV: the digest, the answer, seconds to keep it, bytes that the tenant's answers may take,
--       the request that has asked
-- Answers how many answers had to go before their time.
local digest, answer, ttl, bytes_max = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local names = string.sub(KEYS[1], 1, #KEYS[1] - #digest)
local now = tonumber(redis.call('TIME')[1])

if redis.call('GET', KEYS[4]) == ARGV[5] then redis.call('DEL', KEYS[4]) end

local function total()
  return tonumber(redis.call('HGET', KEYS[3], 'total') or '0')
end

local function forget(old)
  local bytes = redis.call('HGET', KEYS[3], old)
  redis.call('DEL', names .. old)
  redis.call('ZREM', KEYS[2], old)
  redis.call('HDEL', KEYS[3], old)
  -- '-0' is no integer for HINCRBY.
  if bytes and bytes ~= '0' then redis.call('HINCRBY', KEYS[3], 'total', '-' .. bytes) end
end

for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 256)) do
  forget(old)
end
if redis.call('HEXISTS', KEYS[3], digest) == 1 then forget(digest) end
if #answer > bytes_max then return 0 end
local gone = 0
while total() + #answer > bytes_max do
  local soonest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not soonest then
    -- The index was lost without its sizes: what they counted is gone, too.
    redis.call('DEL', KEYS[3])
    break
  end
  forget(soonest)
  gone = gone + 1
end
redis.call('SET', KEYS[1], answer, 'EX', ttl)
redis.call('ZADD', KEYS[2], now + ttl, digest)
redis.call('HSET', KEYS[3], digest, #answer)
redis.call('HINCRBY', KEYS[3], 'total', #answer)
for _, list in ipairs({KEYS[2], KEYS[3]}) do
  if redis.call('TTL', list) < ttl then redis.call('EXPIRE', list, ttl) end
end
return gone
