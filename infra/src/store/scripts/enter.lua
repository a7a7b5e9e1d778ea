-- The end of a script that begins with `admit`, `look` and `reserve`: lets requests of one key pass
-- its limits, and who passes looks for a kept answer, if it may have one, or reserves. Who is refused
-- by the limits does nothing else. Those that have passed before come without an owner of limits.
-- KEYS: those of `limits`, those of `purse`, then the answer of each request (the hold for one that
--       looks for none), then their holds
-- ARGV: how many requests, those of `limits`, for how many milliseconds one leads, those of `purse`,
--       then for each request itself, the tokens it wants, amount, enough
-- Answers for each request what `admit` says and what a look with a reservation says ('lead' and what
-- `reserve` says, or what `look` says, with two zeros).
local count, owners, from = tonumber(ARGV[1]), limits(1, 2), nil
local purse_key, lease_word = 2 * #owners + 1, 3 * #owners + 4
local key, word = #KEYS - 2 * count, #ARGV - 4 * count

-- What stands under the answers' names, read for all at once: of another kind it is nothing.
local looks = false
for index = 1, count do looks = looks or KEYS[key + index] ~= KEYS[key + count + index] end
local kept = looks and redis.call('MGET', unpack(KEYS, key + 1, key + count))

local function seek(index, request)
  local answer, hold, what, found = KEYS[key + index], KEYS[key + count + index], 'lead', nil
  if answer ~= hold then what, found = look(request, answer, kept[index], ARGV[lease_word]) end
  if what ~= 'lead' then return {what, found, 0, 0} end
  from = from or purse(purse_key, lease_word + 1)
  return {what, reserve(from, request, hold, tonumber(ARGV[word + 3]), tonumber(ARGV[word + 4]))}
end

local said = {}
for index = 1, count do
  local request = ARGV[word + 1]
  local standing = admit(owners, request, tonumber(ARGV[word + 2]))
  said[index] = {standing, standing[1] == 'ok' and seek(index, request) or {'refused', '', 0, 0}}
  word = word + 4
end
note(owners)
lead(ARGV[lease_word])
if from then close(from) end
return said
