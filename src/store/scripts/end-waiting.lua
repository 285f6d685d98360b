-- KEYS: lead, guests, ended, ledger.
-- ARGV: epoch, guest, tenant, state, reason, atMs, endedKeptMax, endedKeptMs.
-- Answers {"ended", the guest's record as JSON} or {"refused", why}.
if not leads(KEYS[1], ARGV[1]) then
  return { "refused", "stale_epoch" }
end
local keys = { guests = KEYS[2], ended = KEYS[3], ledger = KEYS[4] }
local guest = read_guest(keys.guests, ARGV[2], ARGV[3])
if guest.liveLease ~= "" then
  return { "refused", "guest_has_lease" }
end
if not has_ended(guest) then
  guest.state = ARGV[4]
  guest.reason = ARGV[5]
  rest_guest(keys, ARGV[2], guest, tonumber(ARGV[6]), { max = tonumber(ARGV[7]), ms = tonumber(ARGV[8]) })
end
return { "ended", cjson.encode(guest) }
