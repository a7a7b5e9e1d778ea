-- Lays one piece of what an empty view begins with, each exactly once and in their order: the number
-- of the next one moves with them. The last one sets the watermark, from which events are applied.
-- KEYS: watermark, total, lots
-- ARGV: the cut that they are of, the number of this piece, the watermark (empty but for the last),
--       [[key, field, count]] and [[time, lot]] as JSON, version of the view
-- Answers 1, or -1 when the view isn't where the caller thinks.
local watermark, total, lots = KEYS[1], KEYS[2], KEYS[3]
if redis.call('EXISTS', watermark) == 1 then return -1 end
local at = redis.call('HGET', total, 'laying') or (ARGV[1] .. ':0')
if at ~= ARGV[1] .. ':' .. ARGV[2] then return -1 end
for _, count in ipairs(cjson.decode(ARGV[4])) do
  redis.call('HINCRBY', count[1], count[2], count[3])
end
for _, lot in ipairs(cjson.decode(ARGV[5])) do redis.call('ZADD', lots, lot[1], lot[2]) end
redis.call('HSET', total, 'laying', ARGV[1] .. ':' .. string.format('%.0f', ARGV[2] + 1))
if ARGV[3] ~= '' then
  redis.call('HDEL', total, 'laying')
  redis.call('HSET', total, 'base', ARGV[1], 'version', ARGV[6])
  redis.call('SET', watermark, ARGV[3])
end
return 1
