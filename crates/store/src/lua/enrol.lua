#!lua
-- Writes a hash that expires.
--
-- KEYS[1] the hash          ARGV[1] '1' if it must be new, else '0'
-- ARGV[2] how long it lives, ms                      ARGV[3] a field whose former value is wanted
-- ARGV[4..] fields and values
-- Returns { 1 if it was written, else 0; the former value, '' for none }.
if ARGV[1] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then return { 0, '' } end
local former = redis.call('HGET', KEYS[1], ARGV[3]) or ''
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { 1, former }
