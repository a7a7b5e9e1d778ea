-- Applies a batch of ledger events of one part, each exactly once: the watermark moves with them.
-- The caller has added them up, so the view must be where it says. When another worker has applied
-- some of them, nothing is done, and the caller adds up those that are left.
-- KEYS: watermark, holds, total, lots
-- ARGV: prefix of the part, the sequence applied before this batch, its last one, the cut that the
--       view was begun from, version of the view, seconds a tombstone stays,
--       counters that a key or an account has before old ones are forgotten,
--       the rank, from the newest, of the first row that an account no longer keeps (-1 - rows kept),
--       when NATS took the last event (0 when there is none),
--       and then, each list after the number of its entries:
--       the hashes that count: name, '1' when old counters of it may go, how many fields, the
--         fields, what each counts more;
--       the requests that end: name, account, key, '1' when it has ended just now;
--       the lists of last requests: name, how many rows, for each its sequence and itself;
--       the lots: when it ends, itself
-- No command below may fail once another has written: numbers are checked by the caller.
-- Answers the new watermark; the watermark that is there, when it isn't where the batch begins; or -1
-- when the view lacks what was applied before: it must start anew.
local watermark, holds, total, lots = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, before = ARGV[1], tonumber(ARGV[2])
local at = tonumber(redis.call('GET', watermark) or '0')
if at < before then return -1 end
-- Begun from another cut, or not begun to its end: the caller's changes are of another view.
local marks = redis.call('HMGET', total, 'base', 'laying', 'version')
if (marks[1] or '0') ~= ARGV[4] or marks[2] then return -1 end
if at > before then return at end

-- Amounts are strings on their way to HINCRBY where Lua's numbers stop being exact.
local EXACT_MAX = 2 ^ 53
local word = 9

local function take()
  word = word + 1
  return ARGV[word]
end

-- Adds to some counters of a hash. One of nothing is there all the same afterwards.
local function count(name, fields)
  local field = word
  word = word + 2 * fields
  local before, written = redis.call('HMGET', name, unpack(ARGV, field + 1, field + fields)), {}
  for index = 1, fields do
    local more = ARGV[field + fields + index]
    local was, by = tonumber(before[index] or '0'), tonumber(more)
    local now = was + by
    if math.max(math.abs(was), math.abs(by), math.abs(now)) < EXACT_MAX then
      written[#written + 1], written[#written + 2] = ARGV[field + index], string.format('%d', now)
    else
      redis.call('HINCRBY', name, ARGV[field + index], more)
    end
  end
  if #written > 0 then redis.call('HSET', name, unpack(written)) end
end

-- Counters of periods that ended two days ago are of no use to any budget.
local function forget(name)
  local now = tonumber(redis.call('TIME')[1])
  for _, field in ipairs(redis.call('HKEYS', name)) do
    local ended = tonumber(string.match(field, '|(%d+)$') or '')
    if ended and ended + 172800 < now then redis.call('HDEL', name, field) end
  end
end

for _ = 1, take() do
  local name, spends = take(), take()
  count(name, tonumber(take()))
  if spends == '1' and redis.call('HLEN', name) > tonumber(ARGV[7]) then forget(name) end
end

-- What ended requests had held, by whose it was: written once for each.
local held, ended = {}, {}
local function give_back(name, amount)
  local sum = (held[name] or 0) + tonumber(amount)
  if sum < EXACT_MAX then
    held[name] = sum
  else
    redis.call('HINCRBY', name, 'held', '-' .. amount)
  end
end

for _ = 1, take() do
  local request, account, key, is_fresh = take(), take(), take(), take()
  local hold = prefix .. 'hold:' .. request
  local seen = redis.call('HMGET', hold, 'state', 'amount')
  -- The tombstone keeps a late RESERVE of the same request from holding anything.
  if seen[1] == 'held' then
    give_back(account, seen[2])
    give_back(key, seen[2])
    give_back(total, seen[2])
    ended[#ended + 1] = request
    redis.call('HSET', hold, 'state', 'done')
    redis.call('EXPIRE', hold, ARGV[6])
  elseif seen[1] ~= 'done' and is_fresh == '1' then
    redis.call('HSET', hold, 'state', 'done', 'account', string.match(account, '[^:]*$'))
    redis.call('EXPIRE', hold, ARGV[6])
  end
end
for name, sum in pairs(held) do
  redis.call('HINCRBY', name, 'held', string.format('%d', -sum))
end
if #ended > 0 then redis.call('ZREM', holds, unpack(ended)) end

for _ = 1, take() do
  local name, rows = take(), tonumber(take())
  redis.call('ZADD', name, unpack(ARGV, word + 1, word + 2 * rows))
  redis.call('ZREMRANGEBYRANK', name, 0, ARGV[8])
  word = word + 2 * rows
end
local made = tonumber(take())
if made > 0 then redis.call('ZADD', lots, unpack(ARGV, word + 1, word + 2 * made)) end
if marks[3] ~= ARGV[5] then redis.call('HSET', total, 'version', ARGV[5]) end
-- A ledger that went back has another event at that sequence, or takes another there later.
if ARGV[9] ~= '0' then redis.call('HSET', total, 'last', ARGV[3], 'last_ms', ARGV[9]) end
redis.call('SET', watermark, ARGV[3])
return tonumber(ARGV[3])
