#!lua flags=no-writes
-- Reads where a history stands and what came after a revision, at one moment.
--
-- KEYS[1] the hash          KEYS[2] its log
-- ARGV[1] the first revision wanted                  ARGV[2] how many at the most
-- Returns { time in ms, revision, tag, the messages in order }.
local time = redis.call('TIME')
local held = redis.call('HMGET', KEYS[1], 'rev', 'tag')
local messages = {}
for i, logged in ipairs(redis.call('XRANGE', KEYS[2], ARGV[1], '+', 'COUNT', ARGV[2])) do
  messages[i] = logged[2][2]
end
return { time[1] * 1000 + math.floor(time[2] / 1000), held[1], held[2], messages }
