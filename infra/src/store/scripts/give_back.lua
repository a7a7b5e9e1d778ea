-- Gives back what a request took of its key's minute that was refused later.
-- KEYS: rate   ARGV: requests a minute, tokens a minute, tokens taken
-- Never above what a whole minute has: asked twice it gives at most one request too many.
local rate = KEYS[1]
local requests_max, tokens_max = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local seen = redis.call('HMGET', rate, 'at', 'requests', 'tokens')
local passed = math.max(0, now - tonumber(seen[1] or now))
local function refill(level, max) return math.min(max, tonumber(level or max) + passed * max / 60000) end
local requests, tokens = refill(seen[2], requests_max), refill(seen[3], tokens_max)
requests = math.min(requests_max, requests + 1)
tokens = math.min(tokens_max, tokens + tonumber(ARGV[3]))
redis.call('HSET', rate, 'at', now, 'requests', tostring(requests), 'tokens', tostring(tokens))
redis.call('PEXPIRE', rate, 120000)
local function reset(level, max) return math.ceil((max - level) * 60000 / max) end
return {math.floor(requests), reset(requests, requests_max),
        math.floor(tokens), reset(tokens, tokens_max)}
