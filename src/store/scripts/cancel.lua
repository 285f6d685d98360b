-- KEYS: lead, guests, ended, ledger. ARGV: reign, guest, tenant, reason, atMs, endedKeptMax, endedKeptMs.
-- A guest at rest ends at once; one that has a lease ends when it comes to rest (apply-step). The first wish stays.
-- Answers the guest's record as JSON; nil: stale reign.
if not leads(KEYS[1], ARGV[1]) then
  return false
end
local keys = { guests = KEYS[2], ended = KEYS[3], ledger = KEYS[4] }
local guest = read_guest(keys.guests, ARGV[2], ARGV[3])
if guest.liveLease ~= "" then
  guest.cancelReason = guest.cancelReason or ARGV[4]
  write(keys.guests, ARGV[2], guest)
elseif not has_ended(guest) then
  guest.state = "cancelled"
  guest.reason = ARGV[4]
  rest_guest(keys, ARGV[2], guest, tonumber(ARGV[5]), { max = tonumber(ARGV[6]), ms = tonumber(ARGV[7]) })
end
return cjson.encode(guest)
