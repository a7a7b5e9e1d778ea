-- Gives a hold back whose request has ended, when the view has that end already: whoever applied it
-- found no hold, so this one was made later, and nobody else would give it back.
-- KEYS: watermark, holds, total
-- ARGV: prefix of the part, request, the sequence of its end, seconds a tombstone stays
-- Answers 1 when it was given back.
local hold = ARGV[1] .. 'hold:' .. ARGV[2]
local at = tonumber(redis.call('GET', KEYS[1]) or '0')
local seen = redis.call('HMGET', hold, 'state', 'amount', 'account', 'key')
if at < tonumber(ARGV[3]) or seen[1] ~= 'held' then return 0 end
-- '-0' is no integer for HINCRBY.
if seen[2] ~= '0' then
  redis.call('HINCRBY', ARGV[1] .. 'account:' .. seen[3], 'held', '-' .. seen[2])
  redis.call('HINCRBY', ARGV[1] .. 'key:' .. seen[4], 'held', '-' .. seen[2])
  redis.call('HINCRBY', KEYS[3], 'held', '-' .. seen[2])
end
redis.call('HSET', hold, 'state', 'done')
redis.call('EXPIRE', hold, ARGV[4])
redis.call('ZREM', KEYS[2], ARGV[2])
return 1
