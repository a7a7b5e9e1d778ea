-- The end of a script that begins with `admit`: lets one request pass.
-- KEYS: those of `limits`
-- ARGV: those of `limits`, then the request, the tokens it wants
-- Answers what `admit` says.
local owners = limits(1, 1)
local standing = admit(owners, ARGV[#ARGV - 1], tonumber(ARGV[#ARGV]))
note(owners)
return standing
