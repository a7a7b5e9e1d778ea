-- Looks for a kept answer; when there is none, whoever looks first is to ask, and the others follow.
-- KEYS: the answer, who asks for it now
-- ARGV: the request that looks, for how many milliseconds it leads without a sign of life
-- Answers what there is ('kept', 'lead' or 'follow') and with it the answer, or who leads.
local kept = redis.call('GET', KEYS[1])
if kept then return {'kept', kept} end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {'lead', ARGV[1]} end
-- No lead is longer than that, unless the clock went back.
if redis.call('PTTL', KEYS[2]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return {'follow', redis.call('GET', KEYS[2]) or ''}
