-- Makes room for answers of a tenant that are kept right after this in the same transaction: what
-- has ended goes first, then what ends soonest. Those that follow a question find its answer: the
-- request that asked leads no more. The answers themselves never come here: Lua would look at each of
-- their bytes.
-- KEYS: the tenant's index (digests by the time they end), their sizes, the beginning of the names of
--       answers, the beginning of the names of wordings, under which of them each answer stands; then
--       for each answer who leads; then the running requests of the key and of the account, if the
--       requests that have asked are to be none of them any more
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
  local request = ARGV[word + 2]
  if redis.call('GET', KEYS[5 + at]) == request then redis.call('DEL', KEYS[5 + at]) end
  requests[at], digests[at] = request, ARGV[word]
end
for place = 6 + count, #KEYS do redis.call('ZREM', KEYS[place], unpack(requests)) end

local seen = redis.call('HMGET', sizes, 'total', unpack(digests))
-- What all answers take, and those of this call among them.
local taken, ours = tonumber(seen[1] or 0), 0
local is_ours, ended, written = {}, {}, {}

local function forget(old)
  local bytes = redis.call('HGET', sizes, old)
  redis.call('DEL', KEYS[3] .. old)
  redis.call('ZREM', index, old)
  redis.call('HDEL', sizes, old)
  local wordings = redis.call('HGET', similars, old)
  if wordings then
    redis.call('HDEL', KEYS[4] .. wordings, old)
    redis.call('HDEL', similars, old)
  end
  if bytes then
    taken = taken - bytes
    redis.call('HSET', sizes, 'total', string.format('%d', taken - ours))
  end
end

-- Makes room for so many bytes. Answers how many answers had to go; nothing when that isn't enough.
local function make_room(bytes)
  local gone = 0
  while taken + bytes > bytes_max do
    local soonest = redis.call('ZRANGE', index, '0', '0')[1]
    if soonest then
      forget(soonest)
      gone = gone + 1
    elseif taken > ours then
      -- The index was lost without its sizes: what they counted is gone, too.
      redis.call('DEL', sizes)
      taken = ours
    else
      return nil
    end
  end
  return gone
end

-- Notes that one is there for so many seconds. With its microseconds it stands behind those before
-- it, and not among them by its digest.
local function note(digest, bytes, seconds)
  is_ours[digest] = true
  ended[#ended + 1] = string.format('%d.%06d', clock[1] + seconds, clock[2])
  ended[#ended + 1] = digest
  written[#written + 1], written[#written + 2] = digest, string.format('%d', bytes)
end

-- Keeps one. Answers how many answers had to go for it.
local function keep(at, bytes)
  local word = 6 * at - 1
  local digest = ARGV[word]
  if is_ours[digest] then return -1 end
  if seen[at + 1] then forget(digest) end
  -- What has ended is looked for when there is no room, and else now and then.
  if taken + bytes > bytes_max or clock[2] % 16 == at then
    local over = redis.call('ZRANGEBYSCORE', index, '-inf', clock[1], 'LIMIT', '0', '256')
    for _, old in ipairs(over) do forget(old) end
  end
  local wordings = ARGV[word + 3] ~= '' and KEYS[4] .. ARGV[word + 3]
  local is_similar = wordings and redis.call('HLEN', wordings) < tonumber(ARGV[4])
  if is_similar then bytes = bytes + ARGV[word + 5] end
  local gone = make_room(bytes)
  if not gone then
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
  return gone
end

local said = {}
for at = 1, count do
  local bytes = tonumber(ARGV[6 * at])
  said[at] = bytes and keep(at, bytes) or 0
end
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
