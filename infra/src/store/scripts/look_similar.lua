-- Other wordings of a question whose answers are still kept; what is gone leaves the index.
-- KEYS: the wordings, an answer's name without its digest, under what each answer stands
-- Answers pairs of a digest and a vector.
local found = redis.call('HGETALL', KEYS[1])
local kept = {}
for at = 1, #found, 2 do
  if redis.call('EXISTS', KEYS[2] .. found[at]) == 1 then
    kept[#kept + 1] = {found[at], found[at + 1]}
  else
    redis.call('HDEL', KEYS[1], found[at])
    redis.call('HDEL', KEYS[3], found[at])
  end
end
return kept
