#!lua
-- Writes a hash that expires.
--
-- KEYS[1] the hash          ARGV[1] '1' if it must be new, else '0'
-- ARGV[2] how long it lives, ms                      ARGV[3] a field that is given the time, in ms
-- ARGV[4], ARGV[5] fields whose former values are wanted
-- ARGV[6..] fields and values
-- Returns { 1 if it was written, else 0; the former values, '' for none }.
if ARGV[1] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then return { 0, '', '' } end
local time = redis.call('TIME')
local former = redis.call('HMGET', KEYS[1], ARGV[4], ARGV[5])
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
redis.call('HSET', KEYS[1], ARGV[3], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { 1, former[1] or '', former[2] or '' }
