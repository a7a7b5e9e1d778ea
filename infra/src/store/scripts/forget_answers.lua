-- Forgets some of a tenant's kept answers: a bounded number at once keeps Redis responsive.
-- KEYS: an answer's name without its digest, the tenant's index, their sizes, the beginning of
--       the names of wordings, under which of them each answer stands
-- ARGV: how many at most
-- Answers how many digests it saw (0 when none are left), and how many answers were still there.
local some = redis.call('ZRANGE', KEYS[2], 0, tonumber(ARGV[1]) - 1)
local gone = 0
for _, digest in ipairs(some) do
  -- Where an answer has ended, somebody may be asking for another.
  if redis.pcall('GETRANGE', KEYS[1] .. digest, 0, 0) ~= ASKS then
    gone = gone + redis.call('DEL', KEYS[1] .. digest)
  end
  local wordings = redis.call('HGET', KEYS[5], digest)
  if wordings then redis.call('HDEL', KEYS[4] .. wordings, digest) end
end
if #some == 0 then
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[5])
else
  redis.call('ZREM', KEYS[2], unpack(some))
  local bytes = 0
  for _, digest in ipairs(some) do
    bytes = bytes + tonumber(redis.call('HGET', KEYS[3], digest) or '0')
  end
  redis.call('HDEL', KEYS[3], unpack(some))
  redis.call('HDEL', KEYS[5], unpack(some))
  -- '-0' is no integer for HINCRBY. A full Redis refuses it: the sum goes with the last of them.
  if bytes > 0 then redis.pcall('HINCRBY', KEYS[3], 'total', string.format('-%.0f', bytes)) end
end
return {#some, gone}
