-- The end of a script that begins with `look` and `reserve`: looks for a kept answer, and reserves
-- only when there is none and nobody asks for it.
-- KEYS: those of `purse`, then the answer, who leads, the hold
-- ARGV: those of `purse`, then the request, for how many milliseconds it leads, amount, enough
-- Answers four: what `look` says, with two zeros; or 'lead' and what `reserve` says.
local keys, words = #KEYS - 3, #ARGV - 4
local request = ARGV[words + 1]
local said, found = look(request, KEYS[keys + 1], KEYS[keys + 2], ARGV[words + 2])
if said ~= 'lead' then return {said, found, 0, 0} end
local from = purse(1, 1)
local amount, enough = tonumber(ARGV[words + 3]), tonumber(ARGV[words + 4])
local what, held, which = reserve(from, request, KEYS[keys + 3], amount, enough)
close(from)
return {'lead', what, held, which}
