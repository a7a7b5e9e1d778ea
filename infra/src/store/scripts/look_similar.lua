-- Other wordings of a question whose answers are still kept; what is gone leaves the index.
-- KEYS: the wordings, an answer's name without its digest, under what each answer stands
-- Answers pairs of a digest and a vector.
local found = redis.call('HGETALL', KEYS[1])
local kept = {}
for at = 1, #found, 2 do
  local first = redis.pcall('GETRANGE', KEYS[2] .. found[at], 0, 0)
  -- One that is being asked for is gone as well, and so is what is none.
  if type(first) == 'string' and first ~= '' and first ~= ASKS then
    kept[#kept + 1] = {found[at], found[at + 1]}
  else
    redis.call('HDEL', KEYS[1], found[at])
    redis.call('HDEL', KEYS[3], found[at])
  end
end
return kept
