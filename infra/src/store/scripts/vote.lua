-- Counts what somebody says of an answer, once for each request; who says otherwise later is believed.
-- KEYS: what was said of the request, the counters of its part, the part's last rows
-- ARGV: model and task, good or bad, the row, seconds to remember it, rows kept
-- Answers 1, or 0 when the same was said before.
local field, signal = ARGV[1], ARGV[2]
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], signal, 'EX', ARGV[4])
if before == signal then return 0 end
if before then redis.call('HINCRBY', KEYS[2], field .. '|' .. before, -1) end
redis.call('HINCRBY', KEYS[2], field .. '|' .. signal, 1)
redis.call('LPUSH', KEYS[3], ARGV[3])
redis.call('LTRIM', KEYS[3], 0, ARGV[5] - 1)
return 1
