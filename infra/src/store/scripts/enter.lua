-- The end of a script that begins with `admit`, `look` and `reserve`: lets requests of one key pass
-- its limits, and who passes looks for a kept answer, if it may have one, or reserves. Who is refused
-- by the limits does nothing else. Those that have passed before come without an owner of limits.
-- KEYS: those of `limits`, those of `purse`, then for each request the answer, who leads, the hold;
--       three times the hold for one that looks for no answer
-- ARGV: how many requests, those of `limits`, for how many milliseconds one leads, those of `purse`,
--       then for each request itself, the tokens it wants, amount, enough
-- Answers for each request what `admit` says and what a look with a reservation says ('lead' and what
-- `reserve` says, or what `look` says, with two zeros); 'spoiled' instead when what is kept can't be
-- read: the request has passed then, and nothing is reserved.
local count, owners, from = tonumber(ARGV[1]), limits(1, 2), nil
local purse_key, lease_word = 2 * #owners + 1, 3 * #owners + 4
local key, word = #KEYS - 3 * count, #ARGV - 4 * count

local function seek(request)
  local answer, leader, hold = KEYS[key + 1], KEYS[key + 2], KEYS[key + 3]
  local is_done, what, found = true, 'lead', nil
  if answer ~= hold then
    is_done, what, found = pcall(look, request, answer, leader, ARGV[lease_word])
  end
  if not is_done then return {'spoiled', '', 0, 0} end
  if what ~= 'lead' then return {what, found, 0, 0} end
  from = from or purse(purse_key, lease_word + 1)
  return {what, reserve(from, request, hold, tonumber(ARGV[word + 3]), tonumber(ARGV[word + 4]))}
end

local said = {}
for index = 1, count do
  local request = ARGV[word + 1]
  local standing = admit(owners, request, tonumber(ARGV[word + 2]))
  said[index] = {standing, standing[1] == 'ok' and seek(request) or {'refused', '', 0, 0}}
  key, word = key + 3, word + 4
end
note(owners)
if from then close(from) end
return said
