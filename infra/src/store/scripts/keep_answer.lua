-- Keeps one answer of a tenant and makes room for it: what has ended goes first, then what ends
-- soonest. Those that follow its question find it: the request that asked leads no more.
-- KEYS: the answer, the tenant's index (digests by the time they end), their sizes, who leads,
--       the beginning of the names of wordings, under which of them each answer stands; then the
--       running requests of its key and of its account: it is none of them any more
-- ARGV: the digest, the answer, seconds to keep it, bytes that the tenant's answers may take,
--       the request that has asked; what its wordings have in common (or nothing), its own
--       vector, how many wordings stand together at most
-- Answers how many answers had to go before their time.
local digest, answer, ttl, bytes_max = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local names = string.sub(KEYS[1], 1, #KEYS[1] - #digest)
local now = tonumber(redis.call('TIME')[1])

if redis.call('GET', KEYS[4]) == ARGV[5] then redis.call('DEL', KEYS[4]) end
for index = 7, #KEYS do redis.call('ZREM', KEYS[index], ARGV[5]) end

local function total()
  return tonumber(redis.call('HGET', KEYS[3], 'total') or '0')
end

local function forget(old)
  local bytes = redis.call('HGET', KEYS[3], old)
  redis.call('DEL', names .. old)
  redis.call('ZREM', KEYS[2], old)
  redis.call('HDEL', KEYS[3], old)
  local wordings = redis.call('HGET', KEYS[6], old)
  if wordings then
    redis.call('HDEL', KEYS[5] .. wordings, old)
    redis.call('HDEL', KEYS[6], old)
  end
  -- '-0' is no integer for HINCRBY.
  if bytes and bytes ~= '0' then redis.call('HINCRBY', KEYS[3], 'total', '-' .. bytes) end
end

for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 256)) do
  forget(old)
end
local sizes = redis.call('HMGET', KEYS[3], 'total', digest)
local taken = tonumber(sizes[1] or '0')
if sizes[2] then
  forget(digest)
  taken = total()
end
local wordings, bytes = KEYS[5] .. ARGV[6], #answer
local is_similar = ARGV[6] ~= '' and redis.call('HLEN', wordings) < tonumber(ARGV[8])
if is_similar then bytes = bytes + #ARGV[6] + #ARGV[7] + 2 * #digest end
if bytes > bytes_max then return 0 end
local gone = 0
while taken + bytes > bytes_max do
  local soonest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not soonest then
    -- The index was lost without its sizes: what they counted is gone, too.
    redis.call('DEL', KEYS[3])
    taken = 0
    break
  end
  forget(soonest)
  gone, taken = gone + 1, total()
end
redis.call('SET', KEYS[1], answer, 'EX', ttl)
redis.call('ZADD', KEYS[2], now + ttl, digest)
redis.call('HSET', KEYS[3], digest, bytes, 'total', string.format('%.0f', taken + bytes))
-- Sizes live as long as the index.
local lists = {}
if redis.call('TTL', KEYS[2]) < ttl then lists = {KEYS[2], KEYS[3]} end
if is_similar then
  redis.call('HSET', wordings, digest, ARGV[7])
  redis.call('HSET', KEYS[6], digest, ARGV[6])
  for _, list in ipairs({KEYS[6], wordings}) do
    if redis.call('TTL', list) < ttl then lists[#lists + 1] = list end
  end
end
for _, list in ipairs(lists) do redis.call('EXPIRE', list, ttl) end
return gone
