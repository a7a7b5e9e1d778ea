-- Goes on leading, or ends it, where the request still leads: it stands in the answer's place then.
-- KEYS: for each question its answer
-- ARGV: for how many more milliseconds (0 ends it), the requests
-- Answers for each 1, or 0 when it leads no more.
local answer = redis.call('MGET', unpack(KEYS))
for index, place in ipairs(KEYS) do
  local leads = answer[index] == ASKS .. ARGV[index + 1]
  if leads and ARGV[1] == '0' then
    redis.call('DEL', place)
  elseif leads then
    redis.call('PEXPIRE', place, ARGV[1])
  end
  answer[index] = leads and 1 or 0
end
return answer
