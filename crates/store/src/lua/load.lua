#!lua flags=no-writes
-- Reads what a decision is made on, at one moment.
--
-- KEYS[1] the hash          KEYS[2] a sorted set of names
-- ARGV[1] '1' to read each named record too, else '0'
-- ARGV[2] what precedes a name in the hash
-- ARGV[3..] fields of the hash
-- Returns { time in ms, the fields' values, names and records by turns }.
local time = redis.call('TIME')
local values = redis.call('HMGET', KEYS[1], unpack(ARGV, 3))
local records = {}
if ARGV[1] == '1' then
  for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    records[#records + 1] = name
    records[#records + 1] = redis.call('HGET', KEYS[1], ARGV[2] .. name)
  end
end
return { time[1] * 1000 + math.floor(time[2] / 1000), values, records }
