-- Looks for a kept answer; when there is none, whoever looks first is to ask, and the others follow.
-- Whoever leads does so for `lease_ms` milliseconds without a sign of life.
-- Answers what there is ('kept', 'lead' or 'follow') and with it the answer, or who leads.
local function look(request, answer, leader, lease_ms)
  local kept = redis.call('GET', answer)
  if kept then return 'kept', kept end
  if redis.call('SET', leader, request, 'NX', 'PX', lease_ms) then return 'lead', request end
  -- No lead is longer than that, unless the clock went back.
  if redis.call('PTTL', leader) > tonumber(lease_ms) then redis.call('PEXPIRE', leader, lease_ms) end
  return 'follow', redis.call('GET', leader) or ''
end

