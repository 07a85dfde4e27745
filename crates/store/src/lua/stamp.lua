#!lua
-- Writes the time.
--
-- KEYS[1] where             ARGV[1] how long it lives, ms
local time = redis.call('TIME')
redis.call('SET', KEYS[1], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), 'PX', ARGV[1])
