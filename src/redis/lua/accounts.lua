-- Accounts: a hash of name -> JSON, and a number beside it that says when it has changed. Answers are bounded, whatever is
-- written there, and nothing is an error.
-- KEYS[1]: the number, or the hash
-- ARGV: 'version'; or 'count'; or 'scan', cursor, accounts at a time, octets of a name, octets of an account, octets in all
-- Returns: the number as text; how many accounts, or -1 where it is no hash; or the next cursor, how many are too long (-1: all
--   together are), and names and accounts by turns.
local kind = redis.call('TYPE', KEYS[1]).ok
if ARGV[1] == 'version' then
  return kind == 'string' and redis.call('GETRANGE', KEYS[1], 0, 63) or ''
elseif ARGV[1] == 'count' then
  return kind == 'hash' and redis.call('HLEN', KEYS[1]) or kind == 'none' and 0 or -1
elseif kind ~= 'hash' then
  return {'0', 0, {}}
end
local found = redis.call('HSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
local name, longest, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local accounts, dropped, octets = {}, 0, 0
for i = 1, #found[2], 2 do
  local key, value = found[2][i], found[2][i + 1]
  if #key > name or #value > longest then
    dropped = dropped + 1
  else
    octets = octets + #key + #value
    accounts[#accounts + 1] = key
    accounts[#accounts + 1] = value
  end
  if octets > most then
    return {'0', -1, {}}
  end
end
return {found[1], dropped, accounts}
