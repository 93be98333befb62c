-- What a key has used of its day and month: a hash of writer -> "sequence day month used-of-day used-of-month held till".
-- What a writer holds counts until that time in milliseconds; what it has used, until day and month are over. Writers that are
-- silent for an hour are added up under `gone`: none of them writes again.
-- KEYS[1]: the hash
-- ARGV: writer, sequence, seconds from and until when it is that day, day, month, used of the day, used of the month, held,
--   lease in milliseconds, bytes to lease, the least of them, most a day and most a month (-1: no limit)
-- Returns: whether it is that day and this is news, the time in seconds, bytes leased, and of all others: used of the day, used of
--   the month, held.
local time = redis.call('TIME')
local seconds, now = tonumber(time[1]), time[1] * 1000 + math.floor(time[2] / 1000)
local writer, sequence = ARGV[1], tonumber(ARGV[2])
if seconds < tonumber(ARGV[3]) or seconds >= tonumber(ARGV[4]) then
  return {0, seconds, 0, 0, 0, 0}
end
local day, month = tonumber(ARGV[5]), tonumber(ARGV[6])
local mine = {day = tonumber(ARGV[7]), month = tonumber(ARGV[8]), held = tonumber(ARGV[9])}
local others, gone = {day = 0, month = 0, held = 0}, {day = 0, month = 0}
local lease, more, least = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local silent, nodes, is_known = {}, 1, sequence == 1
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local s, d, m, of_day, of_month, held, till =
    string.match(all[i + 1], '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  of_day = tonumber(d) == day and tonumber(of_day) or 0
  of_month = tonumber(m) == month and tonumber(of_month) or 0
  held, till = tonumber(held), tonumber(till)
  if all[i] == writer then
    if tonumber(s) >= sequence then
      return {0, seconds, 0, 0, 0, 0}
    end
    is_known = true
  else
    others.day, others.month = others.day + of_day, others.month + of_month
    if all[i] == 'gone' or till + 3600000 < now then
      gone.day, gone.month = gone.day + of_day, gone.month + of_month
      silent[#silent + 1] = all[i] ~= 'gone' and all[i] or nil
    elseif till >= now then
      others.held, nodes = others.held + held, nodes + 1
    end
  end
end
local left = 2 ^ 53
for _, limit in ipairs({{ARGV[13], 'day'}, {ARGV[14], 'month'}}) do
  local most, of = tonumber(limit[1]), limit[2]
  if most >= 0 then
    left = math.min(left, most - mine[of] - others[of] - mine.held - others.held)
  end
end
-- Where this was lost others may not have told again what they have used.
more = is_known and more or math.min(more, least)
-- Towards the end less, so that little is with others when nothing is left.
local leased = math.max(math.min(more, left, math.max(least, math.floor(left / (2 * nodes)))), 0)
mine.held = mine.held + leased
if mine.day + mine.month + mine.held > 0 then
  redis.call('HSET', KEYS[1], writer, string.format('%d %d %d %d %d %d %d',
    sequence, day, month, mine.day, mine.month, mine.held, now + lease))
else
  redis.call('HDEL', KEYS[1], writer)
end
if #silent > 0 then
  for _, name in ipairs(silent) do
    redis.call('HDEL', KEYS[1], name)
  end
  redis.call('HSET', KEYS[1], 'gone', string.format('0 %d %d %d %d 0 0', day, month, gone.day, gone.month))
end
redis.call('EXPIRE', KEYS[1], (tonumber(ARGV[14]) >= 0 and 40 or 2) * 86400)
return {1, seconds, leased, others.day, others.month, others.held}
