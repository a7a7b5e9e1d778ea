-- The end of a script that begins with `admit` and `seek` as functions: lets a request pass its limits,
-- and who passes looks for a kept answer or reserves. Who is refused by the limits does nothing else.
-- KEYS: those of `admit`, then those of `seek`
-- ARGV: how many keys and how many arguments `admit` has, its arguments, those of `seek`
-- Answers what `admit` says and what `seek` says; 'spoiled' instead when what is kept can't be read:
-- the request has passed then, and nothing is reserved.
local keys, words = tonumber(ARGV[1]), tonumber(ARGV[2])
local standing = admit({unpack(KEYS, 1, keys)}, {unpack(ARGV, 3, 2 + words)})
if standing[1] ~= 'ok' then return {standing, {'refused', '', 0, 0}} end
local is_done, sought = pcall(seek, {unpack(KEYS, keys + 1)}, {unpack(ARGV, words + 3)})
if not is_done then return {standing, {'spoiled', '', 0, 0}} end
return {standing, sought}
