-- Gives back what a request took of its key and of its account that was refused later: its place, and
-- of the minute.
-- KEYS: for each owner its rate, its places   ARGV: request, tokens wanted, requests of the minute that
-- come back (0 or 1), for each: requests a minute, tokens a minute
-- Never above what a whole minute has: asked twice it gives at most one request too many.
-- Answers for each what `admit` does.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local function reset(level, max) return math.ceil((max - level) * 60000 / max) end
local answer = {}
for index = 1, #KEYS, 2 do
  local rate, places = KEYS[index], KEYS[index + 1]
  redis.call('ZREM', places, ARGV[1])
  local requests_max, tokens_max = tonumber(ARGV[index + 3]), tonumber(ARGV[index + 4])
  local seen = redis.call('HMGET', rate, 'at', 'requests', 'tokens')
  local passed = math.max(0, now - tonumber(seen[1] or now))
  local function refill(level, max) return math.min(max, tonumber(level or max) + passed * max / 60000) end
  local requests, tokens = refill(seen[2], requests_max), refill(seen[3], tokens_max)
  requests = math.min(requests_max, requests + tonumber(ARGV[3]))
  tokens = math.min(tokens_max, tokens + math.min(tokens_max, tonumber(ARGV[2])))
  redis.call('HSET', rate, 'at', now, 'requests', tostring(requests), 'tokens', tostring(tokens))
  redis.call('PEXPIRE', rate, 120000)
  for _, number in ipairs({math.floor(requests), reset(requests, requests_max),
                           math.floor(tokens), reset(tokens, tokens_max)}) do
    answer[#answer + 1] = number
  end
end
return answer
