-- Declares a part's view complete, if it has reached the sequence that the ledger had.
-- KEYS: watermark, live   ARGV: the sequence that must have been applied
local at = tonumber(redis.call('GET', KEYS[1]) or '0')
if at < tonumber(ARGV[1]) then return 0 end
-- Which Redis says so: another process may know less, and then what was said here counts for nothing.
local process = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
redis.call('SET', KEYS[2], process)
return 1
