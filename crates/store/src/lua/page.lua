#!lua flags=no-writes
-- Reads a page of records. Who is in the first set comes first, in its order; then the
-- others of the second set, in its order.
--
-- KEYS[1] the hash          KEYS[2] first set        KEYS[3] second set, if there is one
-- ARGV[1] the set that the page begins in: '1' | '2'
-- ARGV[2] the score there after which it begins, '-inf' for the start
-- ARGV[3] how many to pass over                      ARGV[4] how many at the most
-- ARGV[5] what precedes a name in the hash           ARGV[6..] fields of the hash
-- Returns { time in ms, the fields' values, then for each record: set, name, score, record }.
local time = redis.call('TIME')
local skip, count = tonumber(ARGV[3]), tonumber(ARGV[4])
local page = { time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HMGET', KEYS[1], unpack(ARGV, 6)) }
local function add(set, name, score)
  local n = #page
  page[n + 1], page[n + 2], page[n + 3], page[n + 4] =
    set, name, score, redis.call('HGET', KEYS[1], ARGV[5] .. name)
  count = count - 1
end
local function after(set) return set == ARGV[1] and '(' .. ARGV[2] or '-inf' end

if ARGV[1] == '1' then
  local first = redis.call('ZRANGEBYSCORE', KEYS[2], after('1'), '+inf', 'WITHSCORES')
  for i = 1, #first, 2 do
    if skip > 0 then skip = skip - 1 elseif count > 0 then add('1', first[i], first[i + 1]) end
  end
end
if not KEYS[3] or count == 0 then return page end

-- The place of the first record wanted among all of the second set: passed over are
-- `skip` of those that are not in the first, and whoever of the first lies between.
local start = redis.call('ZCOUNT', KEYS[3], '-inf', ARGV[1] == '2' and ARGV[2] or '(-inf')
local among, places = {}, {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  among[name] = true
  local place = redis.call('ZRANK', KEYS[3], name)
  if place and place >= start then places[#places + 1] = place end
end
table.sort(places)
local from, passed = start + skip, 0
for _, place in ipairs(places) do
  if place <= from then from = from + 1 else passed = passed + 1 end
end
local rest = redis.call('ZRANGE', KEYS[3], from, from + count + passed - 1, 'WITHSCORES')
for i = 1, #rest, 2 do
  if count > 0 and not among[rest[i]] then add('2', rest[i], rest[i + 1]) end
end
return page
