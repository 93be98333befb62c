-- The requests of a key by the generic cell rate algorithm: the time in microseconds at which all of them are paid.
-- KEYS[1]: that time
-- ARGV: microseconds between two requests, requests at once
-- Returns: 0 if it is counted, or the microseconds until the key's turn.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local paid = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = paid + interval - burst * interval - now
if wait > 0 then
  return {wait}
end
paid = paid + interval
redis.call('SET', KEYS[1], string.format('%d', paid), 'PX', string.format('%d', math.ceil((paid - now) / 1000)))
return {0}
