-- Declares a part's view complete, if it has reached the sequence that the ledger had.
-- KEYS: watermark, live   ARGV: the sequence that must have been applied
local at = tonumber(redis.call('GET', KEYS[1]) or '0')
if at < tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[2], '1')
return 1
