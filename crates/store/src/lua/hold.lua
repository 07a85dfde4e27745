#!lua
-- Prolongs or ends a string that holds the value expected.
--
-- KEYS[1] the string        ARGV[1] the value        ARGV[2] how long from now, ms; '0' to delete it
-- Returns 1 if it held the value, else 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
