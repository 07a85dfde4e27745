#!lua
-- Reads the deadlines that have passed, and moves a stamp that shows whether anything
-- written here since has been lost.
--
-- KEYS[1] the deadlines     KEYS[2] the stamp
-- ARGV[1] the stamp's new value                      ARGV[2] how long it lives, ms
-- ARGV[3] how many deadlines at the most
-- Returns { time in ms, the stamp's former value or nothing, deadlines and moments by turns }.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local former = redis.call('SET', KEYS[2], ARGV[1], 'GET', 'PX', ARGV[2])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[3])
return { tonumber(now), former, due }
