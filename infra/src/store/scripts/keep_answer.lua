-- Makes room for an answer of a tenant that is kept right after this in the same transaction: what
-- has ended goes first, then what ends soonest. Those that follow its question find it: the request
-- that asked leads no more. The answer itself never comes here: Lua would look at each of its bytes.
-- KEYS: the tenant's index (digests by the time they end), their sizes, who leads, the beginning of the
--       names of answers, the beginning of the names of wordings, under which of them each answer
--       stands; then the running requests of its key and of its account: it is none of them any more
-- ARGV: the digest, the answer's bytes (nothing when there is none to keep), seconds to keep it,
--       bytes that the tenant's answers may take, the request that has asked; and if its question has
--       other wordings, what they have in common, its own vector, how many wordings stand together at
--       most, the bytes that it takes among them
-- Answers how many answers had to go before their time.
local index, sizes, leader = KEYS[1], KEYS[2], KEYS[3]
local digest, bytes, ttl, bytes_max = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])

if redis.call('GET', leader) == ARGV[5] then redis.call('DEL', leader) end
for place = 7, #KEYS do redis.call('ZREM', KEYS[place], ARGV[5]) end
if not bytes then return 0 end

local clock = redis.call('TIME')
local function forget(old)
  local bytes = redis.call('HGET', sizes, old)
  redis.call('DEL', KEYS[4] .. old)
  redis.call('ZREM', index, old)
  redis.call('HDEL', sizes, old)
  local wordings = redis.call('HGET', KEYS[6], old)
  if wordings then
    redis.call('HDEL', KEYS[5] .. wordings, old)
    redis.call('HDEL', KEYS[6], old)
  end
  -- '-0' is no integer for HINCRBY.
  if bytes and bytes ~= '0' then redis.call('HINCRBY', sizes, 'total', '-' .. bytes) end
end

local function total() return redis.call('HGET', sizes, 'total') or 0 end

local seen = redis.call('HMGET', sizes, 'total', digest)
local taken = seen[1] or 0
if seen[2] then
  forget(digest)
  taken = total()
end
-- What has ended is looked for when there is no room, and else now and then.
if taken + bytes > bytes_max or clock[2] % 16 == 0 then
  local ended = redis.call('ZRANGEBYSCORE', index, '-inf', clock[1], 'LIMIT', '0', '256')
  for _, old in ipairs(ended) do forget(old) end
  taken = total()
end
local wordings = ARGV[6] and KEYS[5] .. ARGV[6]
local is_similar = wordings and redis.call('HLEN', wordings) < tonumber(ARGV[8])
if is_similar then bytes = bytes + ARGV[9] end
local gone = 0
while taken + bytes > bytes_max do
  local soonest = redis.call('ZRANGE', index, '0', '0')[1]
  if not soonest then
    -- The index was lost without its sizes: what they counted is gone, too.
    redis.call('DEL', sizes)
    taken = 0
    break
  end
  forget(soonest)
  gone, taken = gone + 1, total()
end
-- With its microseconds it stands behind those before it, and not among them by its digest.
redis.call('ZADD', index, string.format('%d.%06d', clock[1] + ttl, clock[2]), digest)
redis.call('HSET', sizes, digest, string.format('%d', bytes),
           'total', string.format('%d', taken + bytes))
-- Sizes live as long as the index.
local lists = {}
if redis.call('TTL', index) < tonumber(ttl) then lists = {index, sizes} end
if is_similar then
  redis.call('HSET', wordings, digest, ARGV[7])
  redis.call('HSET', KEYS[6], digest, ARGV[6])
  for _, list in ipairs({KEYS[6], wordings}) do
    if redis.call('TTL', list) < tonumber(ttl) then lists[#lists + 1] = list end
  end
end
for _, list in ipairs(lists) do redis.call('EXPIRE', list, ttl) end
return gone
