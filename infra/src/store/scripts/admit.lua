-- Lets requests of one key pass the limits of the key and of its account, each all or nothing: a
-- refused one takes nothing of either. First `limits`, then `admit` for each request, then `note`.
-- Two token buckets that refill continuously, and leases of slots that end by themselves. What both
-- are kept in is forgotten a while after the last request: that is put off every few seconds only.
local KEPT_MS = 5000

-- Reads the limits and what is left of them.
-- KEYS, from the first on: for each owner its rate and its parallel
-- ARGV, from the first on: lease in ms, how many owners, for each: requests a minute, tokens a minute,
--       requests at once
local function limits(first_key, first_word)
  local lease_ms = tonumber(ARGV[first_word])
  local owners = {lease_ms = lease_ms, lease_end = whole(now + lease_ms)}
  for index = 1, ARGV[first_word + 1] do
    local key, word = first_key + 2 * index - 2, first_word + 3 * index - 1
    local rate, parallel = KEYS[key], KEYS[key + 1]
    local requests_max, tokens_max = tonumber(ARGV[word]), tonumber(ARGV[word + 1])
    local seen = redis.call('HMGET', rate, 'at', 'requests', 'tokens', 'kept')
    local at, kept = tonumber(seen[1] or now), tonumber(seen[4] or 0)
    -- Redis's clock went back: it refills from now on, and not when the clock is there again.
    if at > now then redis.call('HSET', rate, 'at', whole(now)) end
    local minutes = math.max(0, now - at) / 60000
    local running = redis.call('ZCARD', parallel)
    owners[index] = {
      rate = rate, parallel = parallel, is_new = running == 0, came = {},
      running = running, parallel_max = tonumber(ARGV[word + 2]),
      requests_max = requests_max, tokens_max = tokens_max,
      requests = math.min(requests_max, (seen[2] or requests_max) + minutes * requests_max),
      tokens = math.min(tokens_max, (seen[3] or tokens_max) + minutes * tokens_max),
      is_kept = kept <= now and now < kept + KEPT_MS,
    }
  end
  return owners
end

-- Takes out of an owner's running requests what has ended. With room left there is no need for it.
local function trim(owner, lease_end)
  local parallel = owner.parallel
  redis.call('ZREMRANGEBYSCORE', parallel, '-inf', whole(now))
  -- No lease is longer than that, unless the clock went back.
  for _, late in ipairs(redis.call('ZRANGEBYSCORE', parallel, '(' .. lease_end, '+inf')) do
    redis.call('ZADD', parallel, lease_end, late)
  end
  local running = redis.call('ZCARD', parallel)
  owner.is_new = running == 0
  owner.running, owner.is_trimmed = running + #owner.came / 2, true
end

-- Lets one request pass that wants so many tokens.
-- Answers: what said no ('ok' for nothing), whose limit it was, how long to wait; then for each owner
-- what is left of requests, when all are back, what is left of tokens, when all are back.
local function admit(owners, request, tokens)
  local function wait(level, need, max) return math.ceil((need - level) * 60000 / max) end

  -- With room for one owner: a table that grows is copied.
  local answer = {'ok', 0, 0, 0, 0, 0, 0}
  for index, owner in ipairs(owners) do
    if owner.running >= owner.parallel_max and not owner.is_trimmed then
      trim(owner, owners.lease_end)
    end
    local wanted = math.min(tokens, owner.tokens_max)
    if answer[1] ~= 'ok' then -- The first that says no is told.
    elseif owner.requests < 1 then
      answer[1], answer[2] = 'requests', index
      answer[3] = wait(owner.requests, 1, owner.requests_max)
    elseif owner.tokens < wanted then
      answer[1], answer[2] = 'tokens', index
      answer[3] = wait(owner.tokens, wanted, owner.tokens_max)
    elseif owner.running >= owner.parallel_max then
      answer[1], answer[2], answer[3] = 'parallel', index, 1000
    end
  end
  for index, owner in ipairs(owners) do
    if answer[1] == 'ok' then
      owner.requests = owner.requests - 1
      owner.tokens = owner.tokens - math.min(tokens, owner.tokens_max)
      owner.running = owner.running + 1
      owner.came[#owner.came + 1], owner.came[#owner.came + 2] = owners.lease_end, request
    end
    local at = 4 * index
    answer[at] = math.floor(owner.requests)
    answer[at + 1] = wait(owner.requests, owner.requests_max, owner.requests_max)
    answer[at + 2] = math.floor(owner.tokens)
    answer[at + 3] = wait(owner.tokens, owner.tokens_max, owner.tokens_max)
  end
  return answer
end

-- Writes what those took that have passed.
local function note(owners)
  for _, owner in ipairs(owners) do
    if #owner.came > 0 then
      redis.call('ZADD', owner.parallel, unpack(owner.came))
      redis.call('HSET', owner.rate, 'at', whole(now), 'requests', tostring(owner.requests),
                 'tokens', tostring(owner.tokens))
      -- An empty set is no set: a new one has no end yet.
      if owner.is_new or not owner.is_kept then
        redis.call('PEXPIRE', owner.parallel, whole(owners.lease_ms + 2 * KEPT_MS))
      end
      if not owner.is_kept then
        redis.call('HSET', owner.rate, 'kept', whole(now))
        redis.call('PEXPIRE', owner.rate, '120000')
      end
    end
  end
end

