#!lua
-- Prolongs a hash, but not beyond an age.
--
-- KEYS[1] the hash          ARGV[1] how long from now, ms
-- ARGV[2] the field with the moment that its age counts from, ms; now, where there is none
-- ARGV[3] the age, ms
-- Returns how long it lives from now, ms; 0, where it is of that age or there is no such hash.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSETNX', KEYS[1], ARGV[2], string.format('%.0f', now))
local left = math.min(tonumber(ARGV[1]), redis.call('HGET', KEYS[1], ARGV[2]) + ARGV[3] - now)
if left <= 0 then return 0 end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left))
return left
