-- Reserves credit for a request, or says why not: as much as is wanted, else as much as all limits
-- leave, if that is enough. Safe to repeat by request. A refused one takes nothing.
-- KEYS, from the first on: live, account, key, hold, holds, total of every part...
-- ARGV, from the first on: amount wanted, amount that is enough, lifetime in ms (by Redis's clock),
--       account, key, total_budget ('' none), which of the totals is that of the hold's part,
--       budgets: for each 1 (the account's) or 2 (the key's), the counter of what was spent, the most
-- Answers what came of it, an amount, and which budget it was (0 for none).
-- Amounts stay strings on their way to HINCRBY: a Lua number beyond 1e14 would print as 1e+15.
-- What is left of an amount after two counters of a hash: in a sum a string is its number.
local function rest(amount, name, field, another)
  local seen = redis.call('HMGET', name, field, another)
  return amount - (seen[1] or 0) - (seen[2] or 0)
end

local function reserve(request, first_key, first_word)
  local account, key, hold = KEYS[first_key + 1], KEYS[first_key + 2], KEYS[first_key + 3]
  local amount, enough = tonumber(ARGV[first_word]), tonumber(ARGV[first_word + 1])
  local lifetime_ms, total_budget = ARGV[first_word + 2], ARGV[first_word + 5]
  local state = redis.call('HGET', hold, 'state')
  if state then return state, redis.call('HGET', hold, 'amount') or '0', 0 end
  if redis.call('EXISTS', KEYS[first_key]) == 0 then return 'rebuilding', '0', 0 end

  local seen = redis.call('HMGET', account, 'balance', 'held')
  local left = (seen[1] or 0) - (seen[2] or 0)
  if left < enough then return 'insufficient', whole(left), 0 end
  amount = math.min(amount, left)
  for word = first_word + 7, #ARGV, 3 do
    -- What is held may be charged in any period: it counts in all of them.
    left = rest(ARGV[word + 2], KEYS[first_key + ARGV[word]], ARGV[word + 1], 'held')
    if left < enough then return 'budget', whole(left), (word - first_word - 4) / 3 end
    amount = math.min(amount, left)
  end
  if total_budget ~= '' then
    left = tonumber(total_budget)
    for index = first_key + 5, #KEYS do left = rest(left, KEYS[index], 'spent', 'held') end
    if left < enough then return 'total_budget', whole(left), 0 end
    amount = math.min(amount, left)
  end
  local held = whole(amount)
  redis.call('HINCRBY', account, 'held', held)
  redis.call('HINCRBY', key, 'held', held)
  redis.call('HINCRBY', KEYS[first_key + 4 + ARGV[first_word + 6]], 'held', held)
  redis.call('HSET', hold, 'state', 'held', 'amount', held, 'account', ARGV[first_word + 3],
             'key', ARGV[first_word + 4], 'lifetime', lifetime_ms)
  redis.call('ZADD', KEYS[first_key + 4], whole(now + lifetime_ms), request)
  return 'new', held, 0
end

