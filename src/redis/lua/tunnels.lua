-- The open tunnels of a key: a hash of holder -> "count until", with the time in milliseconds until when that holds.
-- KEYS[1]: the hash
-- ARGV: holder, places to take (0 or 1), most, what it holds without them (-1: what is written here less the next),
--   places that it has given up, lease in milliseconds
-- Returns: whether they are taken, what the holder has, what all others hold.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holder, more, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local held, less, lease = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local mine, others, longest = 0, 0, now + lease
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local count, till = string.match(all[i + 1], '^(%d+) (%d+)$')
  count, till = tonumber(count), tonumber(till)
  if all[i] == holder then
    mine = count
  elseif till < now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    others = others + count
    longest = math.max(longest, till)
  end
end
if held >= 0 then
  mine = held
else
  mine = math.max(mine - less, 0)
end
local taken = 0
if more > 0 and mine + others + more <= most then
  mine, taken = mine + more, 1
end
if mine > 0 then
  redis.call('HSET', KEYS[1], holder, string.format('%d %d', mine, now + lease))
else
  redis.call('HDEL', KEYS[1], holder)
end
redis.call('PEXPIREAT', KEYS[1], string.format('%d', longest))
return {taken, mine, others}
