-- The open tunnels of a key: a hash of holder -> "count until epoch", where until is the time in milliseconds at which the
-- holder's lease is over.
-- KEYS[1]: the hash
-- ARGV: holder, places to take (0 or 1), most, epoch, what the holder had when that began, what is to be added to its count,
--   lease in milliseconds
-- Returns: whether a place is taken (-1: a later epoch has begun, nothing is done), what the holder has, what all others have,
--   whether the count was set to what it was when the epoch began.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holder, more, most, epoch = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local base, change, lease = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local mine, others, longest = nil, 0, now + lease
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local count, till, began = string.match(all[i + 1], '^(%-?%d+) (%d+) (%d+)$')
  count, till, began = tonumber(count), tonumber(till), tonumber(began)
  if all[i] == holder then
    if began > epoch then
      return {-1, count, 0, 0}
    elseif began == epoch then
      mine = count
    end
  elseif till < now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    others = others + math.max(count, 0)
    longest = math.max(longest, till)
  end
end
local set = 0
if mine == nil then
  mine, set = base, 1
end
mine = mine + change
local taken = 0
if more > 0 and math.max(mine, 0) + others + more <= most then
  mine, taken = mine + more, 1
end
redis.call('HSET', KEYS[1], holder, string.format('%d %d %d', mine, now + lease, epoch))
redis.call('PEXPIREAT', KEYS[1], string.format('%d', longest))
return {taken, mine, others, set}
