#!lua flags=no-writes
-- Reads how long ago times were written.
--
-- KEYS[1..] where
-- Returns for each its age in ms, or nothing where there is none.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ages = {}
for i, key in ipairs(KEYS) do
  local at = redis.call('GET', key)
  ages[i] = at and now - at
end
return ages
