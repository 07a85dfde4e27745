#!lua
-- Takes a string for a holder, or keeps it for the one who has it; for a while only.
--
-- KEYS[1] the string        ARGV[1] the holder       ARGV[2] the number it was given; '0' for none
-- ARGV[3] how long from now, ms
-- Returns { 1, the number given } if it is the holder's now, else { 0, who holds it }. Written as
-- `<number> <holder>`. Numbers go up: a holder that comes without one is given another, and by
-- the one before it holds nothing any more.
local number, holder = (redis.call('GET', KEYS[1]) or ''):match('^(%d+) (.*)$')
if number and number == ARGV[2] then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return { 1, number }
end
if number and not (ARGV[2] == '0' and holder == ARGV[1]) then return { 0, holder } end
local time = redis.call('TIME')
local next_number = math.max(time[1] * 1000000 + time[2], (tonumber(number) or 0) + 1)
number = string.format('%.0f', next_number)
redis.call('SET', KEYS[1], number .. ' ' .. ARGV[1], 'PX', ARGV[3])
return { 1, number }
