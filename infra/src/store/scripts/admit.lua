-- Lets a request pass the limits of its key and of its account, all or nothing: a refused one takes
-- nothing of either.
-- KEYS: for each owner its rate and its parallel
-- ARGV: request, tokens wanted, lease in ms, for each owner: requests a minute, tokens a minute,
--       requests at once
-- Two token buckets that refill continuously, and leases of slots that end by themselves. What both
-- are kept in is forgotten a while after the last request: that is put off every few seconds only.
-- Answers: what said no ('ok' for nothing), whose limit it was, how long to wait; then for each owner
-- what is left of requests, when all are back, what is left of tokens, when all are back.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local KEPT_MS = 5000

-- Takes out what has ended. With room left there is no need for it.
local function trim(parallel)
  redis.call('ZREMRANGEBYSCORE', parallel, '-inf', now)
  -- No lease is longer than that, unless the clock went back.
  local lease_end = string.format('%.0f', now + tonumber(ARGV[3]))
  for _, request in ipairs(redis.call('ZRANGEBYSCORE', parallel, '(' .. lease_end, '+inf')) do
    redis.call('ZADD', parallel, lease_end, request)
  end
  return redis.call('ZCARD', parallel)
end

local function look(index)
  local at = 4 + (index - 1) * 3
  local owner = {rate = KEYS[index * 2 - 1], parallel = KEYS[index * 2],
                 requests_max = tonumber(ARGV[at]), tokens_max = tonumber(ARGV[at + 1]),
                 parallel_max = tonumber(ARGV[at + 2])}
  local seen = redis.call('HMGET', owner.rate, 'at', 'requests', 'tokens', 'kept')
  -- Redis's clock went back: it refills from now on, and not when the clock is there again.
  if tonumber(seen[1] or now) > now then redis.call('HSET', owner.rate, 'at', now) end
  local passed = math.max(0, now - tonumber(seen[1] or now))
  local function refill(level, max) return math.min(max, tonumber(level or max) + passed * max / 60000) end
  owner.requests = refill(seen[2], owner.requests_max)
  owner.tokens = refill(seen[3], owner.tokens_max)
  owner.wanted = math.min(tonumber(ARGV[2]), owner.tokens_max)
  owner.running = redis.call('ZCARD', owner.parallel)
  if owner.running >= owner.parallel_max then owner.running = trim(owner.parallel) end
  local kept = tonumber(seen[4] or 0)
  owner.is_kept = kept <= now and now < kept + KEPT_MS
  return owner
end

local function wait(level, need, max) return math.ceil((need - level) * 60000 / max) end
local function reset(level, max) return math.ceil((max - level) * 60000 / max) end
local owners, answer = {}, {'ok', 0, 0}
for index = 1, #KEYS / 2 do
  local owner = look(index)
  owners[index] = owner
  if answer[1] == 'ok' then
    if owner.requests < 1 then
      answer = {'requests', index, wait(owner.requests, 1, owner.requests_max)}
    elseif owner.tokens < owner.wanted then
      answer = {'tokens', index, wait(owner.tokens, owner.wanted, owner.tokens_max)}
    elseif owner.running >= owner.parallel_max then
      answer = {'parallel', index, 1000}
    end
  end
end
for _, owner in ipairs(owners) do
  if answer[1] == 'ok' then
    owner.requests, owner.tokens = owner.requests - 1, owner.tokens - owner.wanted
    redis.call('ZADD', owner.parallel, now + tonumber(ARGV[3]), ARGV[1])
    redis.call('HSET', owner.rate, 'at', now, 'requests', tostring(owner.requests),
               'tokens', tostring(owner.tokens))
    -- An empty set is no set: a new one has no end yet.
    if owner.running == 0 or not owner.is_kept then
      redis.call('PEXPIRE', owner.parallel, tonumber(ARGV[3]) + 2 * KEPT_MS)
    end
    if not owner.is_kept then
      redis.call('HSET', owner.rate, 'kept', now)
      redis.call('PEXPIRE', owner.rate, 120000)
    end
  end
end
for _, owner in ipairs(owners) do
  for _, number in ipairs({math.floor(owner.requests), reset(owner.requests, owner.requests_max),
                           math.floor(owner.tokens), reset(owner.tokens, owner.tokens_max)}) do
    answer[#answer + 1] = number
  end
end
return answer
