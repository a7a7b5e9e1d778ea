-- Forgets a part's view of money, so that it is rebuilt: everything but limits and cached answers.
-- KEYS: live, watermark, holds, total, lots
-- ARGV: prefix, a new watermark (with 0 it is rebuilt from the first event; empty: from a closing)
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
local removed = 0
for _, kind in ipairs({'account:', 'key:', 'hold:', 'usage:', 'requests:'}) do
  local cursor = '0'
  repeat
    local found = redis.call('SCAN', cursor, 'MATCH', ARGV[1] .. kind .. '*', 'COUNT', 1000)
    cursor = found[1]
    for _, name in ipairs(found[2]) do removed = removed + redis.call('DEL', name) end
  until cursor == '0'
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2]) end
return removed
