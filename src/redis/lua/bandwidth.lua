-- The bytes of a key in one direction: the time in microseconds at which all that is leased has moved at its rate.
-- KEYS[1]: that time
-- ARGV: bytes a second, bytes at once, bytes to lease, the least of them, bytes that have moved without a lease
-- Returns: bytes leased, or 0 and the microseconds until there are some.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local more, least, moved = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local each = 1000000 / rate
local paid = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + moved * each
local room = burst - (paid - now) / each
local lacking = math.min(least, burst) - room
local leased = 0
-- What is less than a byte is rounding.
if lacking < 1 then
  leased, lacking = math.floor(math.max(math.min(more, room), math.min(more, least))), 0
  paid = paid + leased * each
end
if paid > now then
  redis.call('SET', KEYS[1], string.format('%d', math.ceil(paid)), 'PX', string.format('%d', math.ceil((paid - now) / 1000)))
end
return {leased, math.min(math.ceil(lacking * each), 1e9)}
