#!lua flags=no-writes
-- Reads all there is, at one moment.
--
-- KEYS[1] the hash          KEYS[2..] sorted sets
-- Returns { time in ms, the hash's fields and values, each set's names in order }.
local time = redis.call('TIME')
local all = { time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HGETALL', KEYS[1]) }
for i = 2, #KEYS do all[i + 1] = redis.call('ZRANGE', KEYS[i], 0, -1) end
return all
