-- Reserves credit for requests of one key, or says why not: as much as is wanted, else as much as all
-- limits leave, if that is enough. Safe to repeat by request. A refused one takes nothing. First
-- `purse`, then `reserve` for each request, then `close`.
-- Amounts stay strings on their way to HINCRBY: a Lua number beyond 1e14 would print as 1e+15.

-- What is left of an amount after two counters of a hash: in a sum a string is its number.
local function rest(amount, name, field, another)
  local seen = redis.call('HMGET', name, field, another)
  return amount - (seen[1] or 0) - (seen[2] or 0)
end

-- Reads what there is to reserve from.
-- KEYS, from the first on: live, account, key, holds, total of every part
-- ARGV, from the first on: lifetime in ms (by Redis's clock), account, key, total_budget ('' none),
--       how many parts, which of the totals is that of the holds' part, how many budgets, for each 1
--       (the account's) or 2 (the key's), the counter of what was spent, the most
local function purse(first_key, first_word)
  local account, parts = KEYS[first_key + 1], tonumber(ARGV[first_word + 4])
  local credit = redis.call('HMGET', account, 'balance', 'held')
  local this = {
    is_live = redis.call('EXISTS', KEYS[first_key]) == 1,
    account = account, key = KEYS[first_key + 2], holds = KEYS[first_key + 3],
    total = KEYS[first_key + 3 + ARGV[first_word + 5]],
    lifetime_ms = ARGV[first_word], account_id = ARGV[first_word + 1], key_id = ARGV[first_word + 2],
    left = (credit[1] or 0) - (credit[2] or 0), budgets = {},
    taken = 0, opened = {}, ends = {},
  }
  for index = 1, ARGV[first_word + 6] do
    -- What is held may be charged in any period: it counts in all of them.
    local word = first_word + 4 + 3 * index
    this.budgets[index] = rest(ARGV[word + 2], KEYS[first_key + ARGV[word]], ARGV[word + 1], 'held')
  end
  if ARGV[first_word + 3] ~= '' then
    this.total_left = tonumber(ARGV[first_word + 3])
    for index = first_key + 4, first_key + 3 + parts do
      this.total_left = rest(this.total_left, KEYS[index], 'spent', 'held')
    end
  end
  return this
end

-- Reserves for one request.
-- Answers what came of it, an amount, and which budget it was (0 for none).
local function reserve(this, request, hold, amount, enough)
  if this.opened[hold] then return 'held', this.opened[hold], 0 end
  local seen = redis.call('HMGET', hold, 'state', 'amount')
  if seen[1] then return seen[1], seen[2] or '0', 0 end
  if not this.is_live then return 'rebuilding', '0', 0 end

  -- What others of this call have taken is not written yet.
  local left = this.left - this.taken
  if left < enough then return 'insufficient', whole(left), 0 end
  amount = math.min(amount, left)
  for index, budget in ipairs(this.budgets) do
    left = budget - this.taken
    if left < enough then return 'budget', whole(left), index end
    amount = math.min(amount, left)
  end
  if this.total_left then
    left = this.total_left - this.taken
    if left < enough then return 'total_budget', whole(left), 0 end
    amount = math.min(amount, left)
  end
  local held = whole(amount)
  this.taken, this.opened[hold] = this.taken + amount, held
  this.ends[#this.ends + 1], this.ends[#this.ends + 2] = whole(now + this.lifetime_ms), request
  return 'new', held, 0
end

-- Writes what is held now: where a counter can't be counted up there is no hold either.
local function close(this)
  if #this.ends == 0 then return end
  local taken = whole(this.taken)
  redis.call('HINCRBY', this.account, 'held', taken)
  redis.call('HINCRBY', this.key, 'held', taken)
  redis.call('HINCRBY', this.total, 'held', taken)
  for hold, held in pairs(this.opened) do
    redis.call('HSET', hold, 'state', 'held', 'amount', held, 'account', this.account_id,
               'key', this.key_id, 'lifetime', this.lifetime_ms)
  end
  redis.call('ZADD', this.holds, unpack(this.ends))
end

