-- The end of a script that begins with `admit`: lets requests of one key pass.
-- KEYS: those of `limits`
-- ARGV: how many requests, those of `limits`, then for each the request, the tokens it wants
-- Answers for each what `admit` says.
local count, owners, said = tonumber(ARGV[1]), limits(1, 2), {}
local word = #ARGV - 2 * count
for index = 1, count do
  said[index] = admit(owners, ARGV[word + 1], tonumber(ARGV[word + 2]))
  word = word + 2
end
note(owners)
return said
