-- Decides what a request with a name of its own is: the first, one that runs, or one that has ended.
-- KEYS: the record of the name
-- ARGV: digest of the body, the request, lease in ms, lifetime in ms, the request that is known to be
-- lost, '1' when what is there counts for nothing
-- Answers 'lead', 'running', 'lost', 'other' or 'done', with the request that it is about, and the answer.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function lead()
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'body', ARGV[1], 'request', ARGV[2], 'lease', now + ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return {'lead', ARGV[2], ''}
end
local record = redis.call('HMGET', KEYS[1], 'body', 'request', 'lease', 'answer')
local body, request, lease, answer = record[1], record[2], record[3], record[4]
if not body or ARGV[6] == '1' then return lead() end
if body ~= ARGV[1] then return {'other', request, ''} end
if answer then return {'done', request, answer} end
if tonumber(lease) > now + ARGV[3] then
  -- The clock went back.
  lease = now + ARGV[3]
  redis.call('HSET', KEYS[1], 'lease', lease)
end
if tonumber(lease) > now then
  redis.call('HSET', KEYS[1], 'wanted', now)
  return {'running', request, ''}
end
if request == ARGV[5] then return lead() end
return {'lost', request, ''}
