-- Reserves the worst case of a request, or says why not. Safe to repeat by request.
-- KEYS: live, account, key, hold, holds, total of every part...
-- ARGV: request, amount, lifetime in ms (by Redis's clock), account, key, key_budget ('' none), total_budget ('' none),
--       prefix of the hold's part's total (index in KEYS)
-- Amounts stay strings on their way to HINCRBY: a Lua number beyond 1e14 would print as 1e+15.
local live, account, key, hold, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local amount = tonumber(ARGV[2])
local state = redis.call('HGET', hold, 'state')
if state then return {state, redis.call('HGET', hold, 'amount') or '0'} end
if redis.call('EXISTS', live) == 0 then return {'rebuilding', '0'} end

local function number(name, field) return tonumber(redis.call('HGET', name, field) or '0') end
local available = number(account, 'balance') - number(account, 'held')
if available < amount then return {'insufficient', string.format('%.0f', available)} end
if ARGV[6] ~= '' then
  local left = tonumber(ARGV[6]) - number(key, 'spent') - number(key, 'held')
  if left < amount then return {'key_budget', string.format('%.0f', left)} end
end
if ARGV[7] ~= '' then
  local left = tonumber(ARGV[7])
  for index = 6, #KEYS do left = left - number(KEYS[index], 'spent') - number(KEYS[index], 'held') end
  if left < amount then return {'total_budget', string.format('%.0f', left)} end
end
redis.call('HINCRBY', account, 'held', ARGV[2])
redis.call('HINCRBY', key, 'held', ARGV[2])
redis.call('HINCRBY', KEYS[5 + tonumber(ARGV[8])], 'held', ARGV[2])
redis.call('HSET', hold, 'state', 'held', 'amount', ARGV[2], 'account', ARGV[4], 'key', ARGV[5])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
redis.call('ZADD', holds, string.format('%.0f', now + tonumber(ARGV[3])), ARGV[1])
return {'new', ARGV[2]}
