-- Keeps the places of running requests, by Redis's clock; a place already given back stays given.
-- KEYS: parallel   ARGV: lease in ms, requests...
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local ends = string.format('%.0f', now + tonumber(ARGV[1]))
for index = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[index]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
