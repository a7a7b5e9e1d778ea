-- The beginning of a script that asks what time it is, once: the functions that follow know it.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- A whole number as Redis reads it: past 1e14 tostring writes an exponent.
local function whole(number) return string.format('%d', number) end

