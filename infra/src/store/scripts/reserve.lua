-- Reserves credit for a request, or says why not: as much as is wanted, else as much as all limits
-- leave, if that is enough. Safe to repeat by request. A refused one takes nothing.
-- KEYS: live, account, key, hold, holds, total of every part...
-- ARGV: request, amount wanted, amount that is enough, lifetime in ms (by Redis's clock), account,
--       key, total_budget ('' none), prefix of the hold's part's total (index in KEYS),
--       budgets: for each the index in KEYS of whose it is, the counter of what was spent, the most
-- Answers what came of it, an amount, and which budget it was (0 for none).
-- Amounts stay strings on their way to HINCRBY: a Lua number beyond 1e14 would print as 1e+15.
local live, account, key, hold, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local amount, enough = tonumber(ARGV[2]), tonumber(ARGV[3])
local state = redis.call('HGET', hold, 'state')
if state then return {state, redis.call('HGET', hold, 'amount') or '0', 0} end
if redis.call('EXISTS', live) == 0 then return {'rebuilding', '0', 0} end

local function numbers(name, field, another)
  local seen = redis.call('HMGET', name, field, another)
  return tonumber(seen[1] or '0'), tonumber(seen[2] or '0')
end
local function no(why, left, which) return {why, string.format('%.0f', left), which} end
local balance, account_held = numbers(account, 'balance', 'held')
local left = balance - account_held
if left < enough then return no('insufficient', left, 0) end
amount = math.min(amount, left)
for index = 9, #ARGV, 3 do
  -- What is held may be charged in any period: it counts in all of them.
  local spent, spender_held = numbers(KEYS[tonumber(ARGV[index])], ARGV[index + 1], 'held')
  left = tonumber(ARGV[index + 2]) - spent - spender_held
  if left < enough then return no('budget', left, (index - 6) / 3) end
  amount = math.min(amount, left)
end
if ARGV[7] ~= '' then
  left = tonumber(ARGV[7])
  for index = 6, #KEYS do
    local spent, total_held = numbers(KEYS[index], 'spent', 'held')
    left = left - spent - total_held
  end
  if left < enough then return no('total_budget', left, 0) end
  amount = math.min(amount, left)
end
local held = string.format('%.0f', amount)
redis.call('HINCRBY', account, 'held', held)
redis.call('HINCRBY', key, 'held', held)
redis.call('HINCRBY', KEYS[5 + tonumber(ARGV[8])], 'held', held)
redis.call('HSET', hold, 'state', 'held', 'amount', held, 'account', ARGV[5], 'key', ARGV[6],
           'lifetime', ARGV[4])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
redis.call('ZADD', holds, string.format('%.0f', now + tonumber(ARGV[4])), ARGV[1])
return {'new', held, 0}
