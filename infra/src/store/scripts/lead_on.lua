-- Goes on leading, or ends it, where the request still leads.
-- KEYS: for each question who asks it now
-- ARGV: for how many more milliseconds (0 ends it), the requests
-- Answers for each 1, or 0 when it leads no more.
local answer = {}
for index, leader in ipairs(KEYS) do
  local leads = redis.call('GET', leader) == ARGV[index + 1]
  if leads and ARGV[1] == '0' then
    redis.call('DEL', leader)
  elseif leads then
    redis.call('PEXPIRE', leader, ARGV[1])
  end
  answer[index] = leads and 1 or 0
end
return answer
