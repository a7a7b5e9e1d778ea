-- After `look` and `reserve`: looks for a kept answer, and reserves only when there is none and nobody
-- asks for it.
-- KEYS, from the first on: those of `look` (2), then those of `reserve`
-- ARGV, from the first on: that of `look`, then those of `reserve`
-- Answers four: what `look` says, with two zeros; or 'lead' and what `reserve` says.
local function seek(request, first_key, first_word)
  local said, found = look(request, first_key, first_word)
  if said ~= 'lead' then return {said, found, 0, 0} end
  return {'lead', reserve(request, first_key + 2, first_word + 1)}
end

