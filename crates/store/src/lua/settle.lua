#!lua
-- Makes `held` be this number and place, if the number is higher than the one held.
--
-- KEYS[1] the hash          ARGV[1] number           ARGV[2] place
-- Returns { 1 if it is now, else 0; number and place that were held before, '' for none },
-- or nothing where there is no such hash. Written as `<number> <place>`.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local held = redis.call('HGET', KEYS[1], 'held') or ''
local number = tonumber(held:match('^%d+')) or 0
if number >= tonumber(ARGV[1]) then return { 0, held } end
redis.call('HSET', KEYS[1], 'held', ARGV[1] .. ' ' .. ARGV[2])
return { 1, held }
