-- Goes on leading a request with a name of its own, or gives the name back.
-- KEYS: the record of the name
-- ARGV: the request, for how many more milliseconds; 0 gives it back
-- Answers how many milliseconds ago somebody last waited for it; -1 for never, -2 when it leads no more.
local record = redis.call('HMGET', KEYS[1], 'request', 'wanted', 'answer')
if record[1] ~= ARGV[1] or record[3] then return -2 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  return -2
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'lease', now + ARGV[2])
if not record[2] then return -1 end
return now - record[2]
