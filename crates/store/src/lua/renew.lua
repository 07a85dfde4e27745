#!lua
-- Moves a deadline that stands; never makes one.
--
-- KEYS[1] the deadlines     KEYS[2] the hash
-- ARGV[1] the deadline's name                        ARGV[2] how long from now, ms
-- ARGV[3] how long instead if field ARGV[4] of the hash is ARGV[5]
-- ARGV[6..] fields of the hash
-- Returns { 1 if it stood, else 0; the fields' values }.
local values = redis.call('HMGET', KEYS[2], unpack(ARGV, 6))
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return { 0, values } end
local time = redis.call('TIME')
local long = redis.call('HGET', KEYS[2], ARGV[4]) == ARGV[5]
local until_ms = time[1] * 1000 + math.floor(time[2] / 1000) + (long and ARGV[3] or ARGV[2])
redis.call('ZADD', KEYS[1], 'XX', string.format('%.0f', until_ms), ARGV[1])
return { 1, values }
