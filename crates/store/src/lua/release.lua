#!lua
-- Clears the place in `held` if it is this one; its number stays, as the floor.
--
-- KEYS[1] the hash          ARGV[1] place
-- Returns the number under which it is held, or was before it was cleared; '0' if
-- another place is held, or none ever was.
local held = redis.call('HGET', KEYS[1], 'held') or ''
local number, place = held:match('^(%d+) (.*)$')
if place == ARGV[1] then redis.call('HSET', KEYS[1], 'held', number .. ' ') end
if place == ARGV[1] or place == '' then return number end
return '0'
