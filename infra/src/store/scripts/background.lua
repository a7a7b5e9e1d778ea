-- One account's responses that run in the background. Their gateway renews a lease on each, so that
-- what a dead gateway ran counts as lost by itself; a cancellation waits here until it is heard.
-- KEYS: running (ids by the end of their lease, in ms), cancelled (ids by the time they are told)
-- ARGV: word, id, lease in ms, most that may run
-- Words: begin -> 1 or 0 (too many), stay -> 1 (cancelled) or 0, cancel -> 1 or 0 (runs no more),
-- look -> 1 (runs) or 0, finish -> 0
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local word, id, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local function renew()
  redis.call('ZADD', KEYS[1], now + lease, id)
  redis.call('PEXPIRE', KEYS[1], lease)
end
local function runs()
  local lease_end = redis.call('ZSCORE', KEYS[1], id)
  -- No lease is longer than that, unless the clock went back.
  if lease_end and tonumber(lease_end) > now + lease then redis.call('ZADD', KEYS[1], now + lease, id) end
  return lease_end and tonumber(lease_end) > now
end
if word == 'begin' then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
  renew()
  return 1
elseif word == 'stay' then
  renew()
  return redis.call('ZSCORE', KEYS[2], id) and 1 or 0
elseif word == 'cancel' then
  if not runs() then return 0 end
  redis.call('ZADD', KEYS[2], now, id)
  redis.call('PEXPIRE', KEYS[2], lease)
  return 1
elseif word == 'look' then
  return runs() and 1 or 0
end
redis.call('ZREM', KEYS[1], id)
redis.call('ZREM', KEYS[2], id)
return 0
