-- Keeps the places of running requests, by Redis's clock; a place already given back stays given.
-- KEYS: parallel of the key, parallel of the account   ARGV: lease in ms, requests...
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local ends = string.format('%.0f', now + tonumber(ARGV[1]))
for _, parallel in ipairs(KEYS) do
  for index = 2, #ARGV do redis.call('ZADD', parallel, 'XX', ends, ARGV[index]) end
  -- As `admit` does: what it has added lately ends within that.
  redis.call('PEXPIRE', parallel, tonumber(ARGV[1]) + 10000)
end
return #KEYS
