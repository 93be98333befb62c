-- Failed logins of a key: a text that expires once all are forgiven, one a minute. And where a name has logged in: a set of
-- networks by the seconds in which they were last seen. What has another type is not ours, and counts as nothing.
-- KEYS[1]: the text or the set
-- ARGV: 'failed', milliseconds to add, and the most of them; or 'succeeded' or 'is known', and a network
-- Returns: 1, or 0 for a network that is not known.
local day, most = 86400, 8
if ARGV[1] == 'failed' then
  local left = math.max(redis.call('PTTL', KEYS[1]), 0)
  left = math.min(left + tonumber(ARGV[2]), tonumber(ARGV[3]))
  redis.call('SET', KEYS[1], '', 'PX', string.format('%d', left))
  return 1
end
local now = tonumber(redis.call('TIME')[1])
local kind = redis.call('TYPE', KEYS[1]).ok
if ARGV[1] == 'is known' then
  local seen = kind == 'zset' and redis.call('ZSCORE', KEYS[1], ARGV[2])
  return seen and now - tonumber(seen) < day and 1 or 0
end
if kind ~= 'zset' then
  redis.call('DEL', KEYS[1])
end
redis.call('ZADD', KEYS[1], string.format('%d', now), ARGV[2])
-- So one user cannot fill the memory from many networks.
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -most - 1)
redis.call('EXPIRE', KEYS[1], day)
return 1
