#!lua
-- Takes a number that was never given before: one more than the last, or the time in
-- microseconds, whichever is higher, so that it holds even after a restore.
--
-- KEYS[1] the hash          ARGV[1..] fields to read with it
-- Returns { number, the fields' values }, or nothing where there is no such hash.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local time = redis.call('TIME')
local last = tonumber(redis.call('HGET', KEYS[1], 'entry')) or 0
local number = string.format('%.0f', math.max(last + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[1], 'entry', number)
return { number, redis.call('HMGET', KEYS[1], unpack(ARGV)) }
