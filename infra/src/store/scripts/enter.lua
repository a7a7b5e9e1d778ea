-- The end of a script that begins with `admit`, `look` and `reserve`: lets requests of one key pass
-- its limits, and who passes looks for a kept answer or reserves. Who is refused by the limits does
-- nothing else.
-- KEYS: those of `limits`, those of `purse`, then for each request the answer, who leads, the hold
-- ARGV: how many requests, those of `limits`, for how many milliseconds one leads, those of `purse`,
--       then for each request itself, the tokens it wants, amount, enough
-- Answers for each request what `admit` says and what a look with a reservation says ('lead' and what
-- `reserve` says, or what `look` says, with two zeros); 'spoiled' instead when what is kept can't be
-- read: the request has passed then, and nothing is reserved.
local count, owners, from = tonumber(ARGV[1]), limits(1, 2), nil
local purse_key, lease_word = 2 * #owners + 1, 3 * #owners + 4
local key, word = #KEYS - 3 * count, #ARGV - 4 * count
local said = {}
for index = 1, count do
  local request, sought = ARGV[word + 1], {'refused', '', 0, 0}
  local standing = admit(owners, request, tonumber(ARGV[word + 2]))
  if standing[1] == 'ok' then
    local is_done, what, found = pcall(look, request, KEYS[key + 1], KEYS[key + 2], ARGV[lease_word])
    if not is_done then
      sought[1] = 'spoiled'
    elseif what == 'lead' then
      from = from or purse(purse_key, lease_word + 1)
      local amount, enough = tonumber(ARGV[word + 3]), tonumber(ARGV[word + 4])
      sought = {what, reserve(from, request, KEYS[key + 3], amount, enough)}
    else
      sought[1], sought[2] = what, found
    end
  end
  said[index], key, word = {standing, sought}, key + 3, word + 4
end
note(owners)
if from then close(from) end
return said
