-- Lets a request pass its key's limits, all or nothing: a refused one takes nothing.
-- KEYS: rate, parallel
-- ARGV: request, requests a minute, tokens a minute, tokens wanted, requests at once, lease in ms
-- Two token buckets that refill continuously, and leases of slots that end by themselves.
local rate, parallel = KEYS[1], KEYS[2]
local requests_max, tokens_max = tonumber(ARGV[2]), tonumber(ARGV[3])
local wanted, parallel_max = tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local seen = redis.call('HMGET', rate, 'at', 'requests', 'tokens')
local passed = math.max(0, now - tonumber(seen[1] or now))
local function refill(level, max) return math.min(max, tonumber(level or max) + passed * max / 60000) end
local requests, tokens = refill(seen[2], requests_max), refill(seen[3], tokens_max)
redis.call('ZREMRANGEBYSCORE', parallel, '-inf', now)
local running = redis.call('ZCARD', parallel)

local function wait(level, need, max) return math.ceil((need - level) * 60000 / max) end
local function reset(level, max) return math.ceil((max - level) * 60000 / max) end
local answer, wait_ms = 'ok', 0
if requests < 1 then answer, wait_ms = 'requests', wait(requests, 1, requests_max)
elseif tokens < wanted then answer, wait_ms = 'tokens', wait(tokens, wanted, tokens_max)
elseif running >= parallel_max then answer, wait_ms = 'parallel', 1000
end
if answer == 'ok' then
  requests, tokens = requests - 1, tokens - wanted
  redis.call('ZADD', parallel, now + tonumber(ARGV[6]), ARGV[1])
  redis.call('PEXPIRE', parallel, ARGV[6])
  redis.call('HSET', rate, 'at', now, 'requests', tostring(requests), 'tokens', tostring(tokens))
  redis.call('PEXPIRE', rate, 120000)
end
return {answer, wait_ms, math.floor(requests), reset(requests, requests_max),
        math.floor(tokens), reset(tokens, tokens_max)}
