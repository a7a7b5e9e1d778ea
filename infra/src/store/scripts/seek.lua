-- The end of a script that begins with `look` and `reserve` as functions: looks for a kept answer, and
-- reserves only when there is none and nobody asks for it.
-- KEYS: those of `look` (2), then those of `reserve`
-- ARGV: those of `look` (2), then those of `reserve`
-- Answers four: what `look` says, with two zeros; or 'lead' and what `reserve` says.
local seen = look({KEYS[1], KEYS[2]}, {ARGV[1], ARGV[2]})
if seen[1] ~= 'lead' then return {seen[1], seen[2], 0, 0} end
local came = reserve({unpack(KEYS, 3)}, {unpack(ARGV, 3)})
return {'lead', came[1], came[2], came[3]}
