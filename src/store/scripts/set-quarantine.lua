-- KEYS: lead, quarantines, ledger. ARGV: reign, device, cause, "add" | "lift", reason, atMs. Answers 1; nil: stale reign.
if not leads(KEYS[1], ARGV[1]) then
  return false
end
local keys = { quarantines = KEYS[2], ledger = KEYS[3] }
local _, device, cause, verb, reason, at_ms = unpack(ARGV)
if verb == "add" then
  add_quarantine(keys, device, cause, reason, tonumber(at_ms))
else
  lift_quarantine(keys, device, cause, tonumber(at_ms))
end
return 1
