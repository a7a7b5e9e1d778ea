-- Goes on leading, or ends it, if the request still leads.
-- KEYS: who asks now
-- ARGV: the request, for how many more milliseconds; 0 ends it
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
