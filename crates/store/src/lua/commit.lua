#!lua
-- Commits a decision if what it was made on still holds. Everything that could fail is
-- looked at before anything is written: deadline, guards, counters, then whether each
-- call is allowed and finds the type it needs. An error has written nothing.
--
-- KEYS[1] the hash          KEYS[2] its log          KEYS[3] its feed
-- KEYS[4..] what effects and guards name
-- ARGV[1] deadline, ms      ARGV[2] tag, 8 bytes     ARGV[3] '1' if everybody is shown it
-- ARGV[4] cap of the log    ARGV[5] moment, ms       ARGV[6] the message after its first four fields
-- ARGV[7] receipt's field, '' for none               ARGV[8] receipt, to which the revision is appended
-- then three lists, each after its length:
--   guards    'h' field of a hash | 'z' score in a sorted set; key; name; '=' and value | '-' for none
--   counters  field of the hash; difference; the most it may come to
--   effects   number of words; command; key; words, '$rev' standing for the revision
-- Returns { 'committed', revision } | { 'changed' } | { 'late' }.
local next_word = 8
local function word() next_word = next_word + 1 return ARGV[next_word] end
local function number() return tonumber(word()) end

local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1]) then return { 'late' } end

local readers = { h = 'HGET', z = 'ZSCORE' }
for _ = 1, number() do
  local kind, key, name, expected = word(), KEYS[number()], word(), word()
  local value = redis.call(readers[kind], key, name)
  if (value and '=' .. value or '-') ~= expected then return { 'changed' } end
end

local calls = {}
local function plan(...) calls[#calls + 1] = { ... } end

local held = redis.call('HMGET', KEYS[1], 'rev', 'tag', 'shown', 'time')
local rev, shown = (tonumber(held[1]) or 0) + 1, tonumber(held[3]) or 0
local rev_text = string.format('%.0f', rev)
local function le64(n) return struct.pack('<I8', n) end
local message = '\9' .. le64(rev) .. '\17' .. le64(shown) .. '\25' .. ARGV[2]
  .. '\33' .. (held[2] or le64(0)) .. ARGV[6]

plan('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], rev_text .. '-0', 'c', message)
local moment = math.max(tonumber(held[4]) or 0, tonumber(ARGV[5]))
plan('HSET', KEYS[1], 'rev', rev_text, 'tag', ARGV[2], 'time', string.format('%.0f', moment))
if ARGV[3] == '1' then plan('HSET', KEYS[1], 'shown', rev_text) end
if ARGV[7] ~= '' then plan('HSET', KEYS[1], ARGV[7], ARGV[8] .. le64(rev)) end
for _ = 1, number() do
  local name, difference, most = word(), number(), number()
  local value = (tonumber(redis.call('HGET', KEYS[1], name)) or 0) + difference
  if difference > 0 and value > most then return { 'changed' } end
  plan('HSET', KEYS[1], name, string.format('%.0f', value))
end
for _ = 1, number() do
  local words = number()
  local call = { word(), KEYS[number()] }
  for i = 1, words do
    local given = word()
    call[i + 2] = given == '$rev' and rev_text or given
  end
  calls[#calls + 1] = call
end
plan('SPUBLISH', KEYS[3], message)

local types = { X = 'stream', H = 'hash', Z = 'zset' }
for _, call in ipairs(calls) do
  local needed = types[call[1]:sub(1, 1)]
  local found = needed and redis.call('TYPE', call[2]).ok
  if needed and found ~= 'none' and found ~= needed then
    return redis.error_reply('WRONGTYPE ' .. call[1] .. ' of a ' .. found)
  end
  if not redis.acl_check_cmd(unpack(call)) then return redis.error_reply('NOPERM ' .. call[1]) end
end
for _, call in ipairs(calls) do redis.call(unpack(call)) end
return { 'committed', rev_text }
