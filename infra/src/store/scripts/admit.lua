-- Lets a request pass the limits of its key and of its account, all or nothing: a refused one takes
-- nothing of either.
-- KEYS, from the first on: for each owner its rate and its parallel
-- ARGV, from the first on: tokens wanted, lease in ms, how many owners, for each: requests a minute,
--       tokens a minute, requests at once
-- Two token buckets that refill continuously, and leases of slots that end by themselves. What both
-- are kept in is forgotten a while after the last request: that is put off every few seconds only.
-- Answers: what said no ('ok' for nothing), whose limit it was, how long to wait; then for each owner
-- what is left of requests, when all are back, what is left of tokens, when all are back.
local KEPT_MS = 5000

local function admit(request, first_key, first_word)
  local tokens, lease_ms = tonumber(ARGV[first_word]), tonumber(ARGV[first_word + 1])
  local lease_end = whole(now + lease_ms)

  -- Takes out what has ended. With room left there is no need for it.
  local function trim(parallel)
    redis.call('ZREMRANGEBYSCORE', parallel, '-inf', whole(now))
    -- No lease is longer than that, unless the clock went back.
    for _, late in ipairs(redis.call('ZRANGEBYSCORE', parallel, '(' .. lease_end, '+inf')) do
      redis.call('ZADD', parallel, lease_end, late)
    end
    return redis.call('ZCARD', parallel)
  end

  local function look(index)
    local key, word = first_key + 2 * index - 2, first_word + 3 * index
    local rate, parallel = KEYS[key], KEYS[key + 1]
    local requests_max, tokens_max = tonumber(ARGV[word]), tonumber(ARGV[word + 1])
    local parallel_max = tonumber(ARGV[word + 2])
    local seen = redis.call('HMGET', rate, 'at', 'requests', 'tokens', 'kept')
    local at, kept = tonumber(seen[1] or now), tonumber(seen[4] or 0)
    -- Redis's clock went back: it refills from now on, and not when the clock is there again.
    if at > now then redis.call('HSET', rate, 'at', whole(now)) end
    local minutes = math.max(0, now - at) / 60000
    local running = redis.call('ZCARD', parallel)
    if running >= parallel_max then running = trim(parallel) end
    return {
      rate = rate, parallel = parallel, running = running, parallel_max = parallel_max,
      requests_max = requests_max, tokens_max = tokens_max,
      requests = math.min(requests_max, (seen[2] or requests_max) + minutes * requests_max),
      tokens = math.min(tokens_max, (seen[3] or tokens_max) + minutes * tokens_max),
      wanted = math.min(tokens, tokens_max), is_kept = kept <= now and now < kept + KEPT_MS,
    }
  end

  local function wait(level, need, max) return math.ceil((need - level) * 60000 / max) end

  -- With room for one owner: a table that grows is copied.
  local owners, answer = {}, {'ok', 0, 0, 0, 0, 0, 0}
  local function refuse(why, index, wait_ms) answer[1], answer[2], answer[3] = why, index, wait_ms end
  for index = 1, ARGV[first_word + 2] do
    local owner = look(index)
    owners[index] = owner
    if answer[1] == 'ok' then
      if owner.requests < 1 then
        refuse('requests', index, wait(owner.requests, 1, owner.requests_max))
      elseif owner.tokens < owner.wanted then
        refuse('tokens', index, wait(owner.tokens, owner.wanted, owner.tokens_max))
      elseif owner.running >= owner.parallel_max then
        refuse('parallel', index, 1000)
      end
    end
  end
  for index, owner in ipairs(owners) do
    if answer[1] == 'ok' then
      owner.requests, owner.tokens = owner.requests - 1, owner.tokens - owner.wanted
      redis.call('ZADD', owner.parallel, lease_end, request)
      redis.call('HSET', owner.rate, 'at', whole(now), 'requests', tostring(owner.requests),
                 'tokens', tostring(owner.tokens))
      -- An empty set is no set: a new one has no end yet.
      if owner.running == 0 or not owner.is_kept then
        redis.call('PEXPIRE', owner.parallel, whole(lease_ms + 2 * KEPT_MS))
      end
      if not owner.is_kept then
        redis.call('HSET', owner.rate, 'kept', whole(now))
        redis.call('PEXPIRE', owner.rate, '120000')
      end
    end
    local at = 4 * index
    answer[at] = math.floor(owner.requests)
    answer[at + 1] = wait(owner.requests, owner.requests_max, owner.requests_max)
    answer[at + 2] = math.floor(owner.tokens)
    answer[at + 3] = wait(owner.tokens, owner.tokens_max, owner.tokens_max)
  end
  return answer
end

