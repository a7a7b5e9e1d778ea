-- The end of a script that begins with `admit` and `seek`: lets a request pass its limits, and who
-- passes looks for a kept answer or reserves. Who is refused by the limits does nothing else.
-- KEYS: those of `admit`, then those of `seek`
-- ARGV: the request, the arguments of `admit`, those of `seek`
-- Answers what `admit` says and what `seek` says; 'spoiled' instead when what is kept can't be read:
-- the request has passed then, and nothing is reserved.
local request, owners = ARGV[1], tonumber(ARGV[4])
local standing = admit(request, 1, 2)
if standing[1] ~= 'ok' then return {standing, {'refused', '', 0, 0}} end
local is_done, sought = pcall(seek, request, 2 * owners + 1, 3 * owners + 5)
if not is_done then return {standing, {'spoiled', '', 0, 0}} end
return {standing, sought}
