-- Looks for a kept answer; when there is none, whoever looks first is to ask, and the others follow.
-- Whoever leads does so for some milliseconds without a sign of life. First `look` for each request,
-- then `lead`.

-- Who asks from this call on.
local leading = {}

-- Looks at what is kept under the name of an answer.
-- Answers what there is ('kept', 'lead' or 'follow') and with it the answer, or who leads.
local function look(request, answer, kept, lease_ms)
  local leader = leading[answer]
  if not leader and kept then
    if string.sub(kept, 1, 1) ~= ASKS then return 'kept', kept end
    leader = string.sub(kept, 2)
    -- No lead is longer than that, unless the clock went back.
    if redis.call('PTTL', answer) > tonumber(lease_ms) then
      redis.call('PEXPIRE', answer, lease_ms)
    end
  end
  if leader and leader ~= request then return 'follow', leader end
  leading[answer] = request
  return 'lead', request
end

-- Writes who asks now.
local function lead(lease_ms)
  for answer, request in pairs(leading) do
    redis.call('SET', answer, ASKS .. request, 'PX', lease_ms)
  end
end

