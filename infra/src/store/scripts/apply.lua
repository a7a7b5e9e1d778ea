-- Applies a batch of ledger events of one part, each exactly once: the watermark moves with them.
-- KEYS: watermark, holds, total, lots
-- ARGV: prefix of the part, the sequence applied before this batch, seconds a tombstone stays,
--       events as JSON: [{sequence, account, amount, key, request, spent, counters: {field: n}, row,
--       lot, lot_ends}],
--       and in each the names of the counters of its calendar periods, and what counts there alone,
--       the rank, from the newest, of the first row that an account no longer keeps (-1 - rows kept),
--       counters that a key or an account has before old ones are forgotten, version of the view,
--       the cut that the view was begun from
-- No command below may fail once another has written: numbers are checked by the caller.
-- Answers the new watermark, or -1 when the view isn't where the caller thinks: it must start anew.
local watermark, holds, total, lots = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, before = ARGV[1], tonumber(ARGV[2])
local at = tonumber(redis.call('GET', watermark) or '0')
if at < before then return -1 end
-- Begun from another cut, or not begun to its end: the caller's changes are of another view.
local marks = redis.call('HMGET', total, 'base', 'laying')
if (marks[1] or '0') ~= ARGV[8] or marks[2] then return -1 end

-- Counts of a whole batch are added up here, then written once for each of their hashes. Sums stay
-- far below 2^53, where Lua's numbers stop being exact: what is larger goes to HINCRBY as it is.
local EXACT_MAX = 2 ^ 53
local FIELDS_AT_ONCE_MAX = 1000
local sums = {}
local function add(name, field, text)
  local count = tonumber(text)
  if math.abs(count) > 1e12 then return redis.call('HINCRBY', name, field, text) end
  local counters = sums[name]
  if not counters then
    counters = {}
    sums[name] = counters
  end
  counters[field] = (counters[field] or 0) + count
end

-- '-0' is no integer for HINCRBY.
local function text_of(sum) return sum == 0 and '0' or string.format('%.0f', sum) end

-- Adds to some counters of a hash. One of nothing is there all the same afterwards.
local function write(name, fields, counters)
  local before, written = redis.call('HMGET', name, unpack(fields)), {}
  for index, field in ipairs(fields) do
    local was = tonumber(before[index] or '0')
    local now = was + counters[field]
    if math.abs(was) < EXACT_MAX and math.abs(now) < EXACT_MAX then
      written[#written + 1], written[#written + 2] = field, text_of(now)
    else
      redis.call('HINCRBY', name, field, text_of(counters[field]))
    end
  end
  if #written > 0 then redis.call('HSET', name, unpack(written)) end
end

local function settle(event)
  local hold = prefix .. 'hold:' .. event.request
  local seen = redis.call('HMGET', hold, 'state', 'amount')
  if seen[1] == 'done' then return end
  if seen[1] == 'held' then
    local back = '-' .. seen[2]
    add(prefix .. 'account:' .. event.account, 'held', back)
    add(prefix .. 'key:' .. event.key, 'held', back)
    add(total, 'held', back)
    redis.call('ZREM', holds, event.request)
  end
  -- The tombstone keeps a late RESERVE of the same request from leaking a hold.
  redis.call('HSET', hold, 'state', 'done', 'account', event.account)
  redis.call('EXPIRE', hold, ARGV[3])
end

local clock = redis.call('TIME')
-- Counters of periods that ended two days ago are of no use to any budget.
local function forget(name)
  for _, field in ipairs(redis.call('HKEYS', name)) do
    local ended = tonumber(string.match(field, '|(%d+)$') or '')
    if ended and ended + 172800 < tonumber(clock[1]) then redis.call('HDEL', name, field) end
  end
end

local spenders, lists = {}, {}
local function spend(event)
  for _, name in ipairs({prefix .. 'key:' .. event.key, prefix .. 'account:' .. event.account}) do
    add(name, 'spent', event.spent)
    for _, period in ipairs(event.periods or {}) do add(name, period, event.period_spent or event.spent) end
    spenders[name] = true
  end
  add(total, 'spent', event.spent)
end

for _, event in ipairs(cjson.decode(ARGV[4])) do
  if event.sequence > at then
    at = event.sequence
    -- A refused event has no account: it moves the watermark and nothing else.
    if event.account then
      add(prefix .. 'account:' .. event.account, 'balance', event.amount)
    end
    if event.request then settle(event) end
    if event.spent then spend(event) end
    if event.counters then
      local usage = prefix .. 'usage:' .. event.account
      for field, count in pairs(event.counters) do add(usage, field, count) end
    end
    if event.lot then redis.call('ZADD', lots, event.lot_ends, event.lot) end
    if event.row then
      local requests = prefix .. 'requests:' .. event.account
      redis.call('ZADD', requests, string.format('%.0f', event.sequence), event.row)
      lists[requests] = true
    end
  end
end
for name, counters in pairs(sums) do
  local fields = {}
  for field in pairs(counters) do
    fields[#fields + 1] = field
    if #fields == FIELDS_AT_ONCE_MAX then
      write(name, fields, counters)
      fields = {}
    end
  end
  if #fields > 0 then write(name, fields, counters) end
end
for name in pairs(lists) do redis.call('ZREMRANGEBYRANK', name, 0, ARGV[5]) end
for name in pairs(spenders) do
  if redis.call('HLEN', name) > tonumber(ARGV[6]) then forget(name) end
end
redis.call('HSET', total, 'version', ARGV[7])
redis.call('SET', watermark, string.format('%.0f', at))
return at
