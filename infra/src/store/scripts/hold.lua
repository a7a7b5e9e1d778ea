-- The end of a script that begins with `reserve`: reserves for one request.
-- KEYS: those of `purse`, then the hold
-- ARGV: those of `purse`, then the request, amount, enough
-- Answers what `reserve` says.
local from = purse(1, 1)
local amount, enough = tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV])
local what, held, which = reserve(from, ARGV[#ARGV - 2], KEYS[#KEYS], amount, enough)
close(from)
return {what, held, which}
