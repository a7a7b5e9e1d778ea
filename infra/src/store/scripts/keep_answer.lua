-- Makes room for answers of a tenant that are kept right after this in the same transaction: what
-- has ended goes first, then what ends soonest. The answer takes the place of who asked for it; where
-- there is none to keep, nobody leads any more. The answers themselves never come here: Lua would
-- look at each of their bytes.
-- KEYS: the tenant's index (digests by the time they end), their sizes, the beginning of the names of
--       answers, the beginning of the names of wordings, under which of them each answer stands; then
--       the running requests of the key and of the account, if the requests that have asked are to be
--       none of them any more
-- ARGV: how many answers, seconds to keep them, bytes that the tenant's answers may take, how many
--       wordings stand together at most; then for each answer the digest, its bytes (nothing when there
--       is none to keep), the request that has asked, and if its question has other wordings, what they
--       have in common, its own vector, the bytes that it takes among them (else nothing)
-- Answers for each how many answers had to go before their time; -1 when it has no room beside the
-- others of this call: then it is to be kept alone.
local index, sizes, similars = KEYS[1], KEYS[2], KEYS[5]
local count, ttl, bytes_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')

local requests, digests = {}, {}
for at = 1, count do
  local word = 6 * at - 1
  requests[at], digests[at] = ARGV[word + 2], ARGV[word]
end
for place = 6, #KEYS do redis.call('ZREM', KEYS[place], unpack(requests)) end

local seen = redis.call('HMGET', sizes, 'total', unpack(digests))
-- What all answers take, and those of this call among them.
local taken, ours, is_lost = tonumber(seen[1] or 0), 0, false
local is_ours, ended, written = {}, {}, {}

-- Those that have gone. What they took is free at once, and the rest is written for many together.
local is_gone, gone, gone_answers = {}, {}, {}

local function write_gone()
  if #gone == 0 then return end
  if #gone_answers > 0 then redis.call('DEL', unpack(gone_answers)) end
  redis.call('ZREM', index, unpack(gone))
  redis.call('HDEL', sizes, unpack(gone))
  gone, gone_answers = {}, {}
end

-- Lets one go, of which this is known. Answers whether it was there. Where one has ended by itself,
-- somebody may be asking for another.
local function forget(old, bytes, wordings, has_ended)
  if is_gone[old] then return false end
  is_gone[old] = true
  gone[#gone + 1] = old
  if not has_ended then gone_answers[#gone_answers + 1] = KEYS[3] .. old end
  if wordings then
    redis.call('HDEL', KEYS[4] .. wordings, old)
    redis.call('HDEL', similars, old)
  end
  if bytes then taken = taken - bytes end
  -- No more than Lua hands to a command.
  if #gone == 256 then write_gone() end
  return true
end

-- What is known of some.
local function known(olds)
  return redis.call('HMGET', sizes, unpack(olds)), redis.call('HMGET', similars, unpack(olds))
end

-- Lets those go that have ended. There are as a rule no more of them afterwards.
local are_no_more = false
local function forget_ended()
  local olds = redis.call('ZRANGEBYSCORE', index, '-inf', clock[1], 'LIMIT', '0', '256')
  are_no_more = #olds < 256
  if #olds == 0 then return end
  local bytes, wordings = known(olds)
  for place, old in ipairs(olds) do forget(old, bytes[place], wordings[place], true) end
  write_gone()
end

-- Those that end soonest, read as many at a time as answers come.
local soonest, soonest_bytes, soonest_wordings, at_soonest = {}, nil, nil, 0

-- Lets the one go that ends soonest. Answers whether there was one.
local function forget_soonest()
  repeat
    at_soonest = at_soonest + 1
    if at_soonest > #soonest then
      write_gone()
      soonest, at_soonest = redis.call('ZRANGE', index, '0', string.format('%d', count - 1)), 1
      if #soonest == 0 then return false end
      soonest_bytes, soonest_wordings = known(soonest)
    end
    local bytes, wordings = soonest_bytes[at_soonest], soonest_wordings[at_soonest]
  until forget(soonest[at_soonest], bytes, wordings)
  return true
end

-- Makes room for so many bytes. Answers how many answers had to go; nothing when that isn't enough.
local function make_room(bytes)
  local before_time = 0
  while taken + bytes > bytes_max do
    if forget_soonest() then
      before_time = before_time + 1
    elseif taken > ours then
      -- The index was lost without its sizes: what they counted is gone, too.
      redis.call('DEL', sizes)
      taken, is_lost = ours, true
    else
      return nil
    end
  end
  return before_time
end

-- Notes that one is there for so many seconds. With its microseconds it stands behind those before
-- it, and not among them by its digest.
local function note(digest, bytes, seconds)
  is_ours[digest] = true
  ended[#ended + 1] = string.format('%d.%06d', clock[1] + seconds, clock[2])
  ended[#ended + 1] = digest
  written[#written + 1], written[#written + 2] = digest, string.format('%d', bytes)
end

-- Ends the lead of a request whose answer isn't kept. Answers that nothing had to go for it.
local function let_go(at)
  local answer = KEYS[3] .. digests[at]
  if redis.call('MGET', answer)[1] == ASKS .. requests[at] then redis.call('DEL', answer) end
  return 0
end

-- Keeps one. Answers how many answers had to go for it.
local function keep(at, bytes)
  local word = 6 * at - 1
  local digest = ARGV[word]
  if is_ours[digest] then return -1 end
  local before = seen[at + 1]
  if before then forget(digest, not is_lost and before, redis.call('HGET', similars, digest)) end
  -- What has ended is looked for when there is no room, and else now and then.
  if not are_no_more and (taken + bytes > bytes_max or clock[2] % 16 == at) then forget_ended() end
  local wordings = ARGV[word + 3] ~= '' and KEYS[4] .. ARGV[word + 3]
  local is_similar = wordings and redis.call('HLEN', wordings) < tonumber(ARGV[4])
  if is_similar then bytes = bytes + ARGV[word + 5] end
  local before_time = make_room(bytes)
  if not before_time then
    -- It comes all the same, and whoever is to keep it alone may die before: the index knows it, so
    -- that it can be forgotten. It takes nothing yet, and goes for none of the others.
    note(digest, 0, ttl + 1)
    return -1
  end
  if is_similar then
    redis.call('HSET', wordings, digest, ARGV[word + 4])
    redis.call('HSET', similars, digest, ARGV[word + 3])
    for _, list in ipairs({similars, wordings}) do
      if redis.call('TTL', list) < tonumber(ttl) then redis.call('EXPIRE', list, ttl) end
    end
  end
  taken, ours = taken + bytes, ours + bytes
  note(digest, bytes, ttl)
  return before_time
end

local said = {}
for at = 1, count do
  local bytes = tonumber(ARGV[6 * at])
  said[at] = bytes and keep(at, bytes) or let_go(at)
end
write_gone()
if #ended > 0 then
  redis.call('ZADD', index, unpack(ended))
  redis.call('HSET', sizes, 'total', string.format('%d', taken), unpack(written))
  -- Sizes live as long as the index.
  if redis.call('TTL', index) < tonumber(ttl) then
    redis.call('EXPIRE', index, ttl)
    redis.call('EXPIRE', sizes, ttl)
  end
end
return said
