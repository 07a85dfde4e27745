#!lua
-- Takes a deadline away if it is the one that was seen.
--
-- KEYS[1] the deadlines     ARGV[1] its name         ARGV[2] the deadline seen
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
