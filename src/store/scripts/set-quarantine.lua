-- KEYS: lead, quarantines, unproven, ledger. ARGV: reign, device, cause, "add" | "lift" | "lift_all", reason, atMs.
-- Answers 1; nil: stale reign.
if not leads(KEYS[1], ARGV[1]) then
  return false
end
local keys = { quarantines = KEYS[2], unproven = KEYS[3], ledger = KEYS[4] }
local device, verb, at_ms = ARGV[2], ARGV[4], tonumber(ARGV[6])

-- A lease that keeps devices out of use for want of its proof is forgotten with the last of them.
local function forget_unproven(cause)
  local lease = read(keys.unproven, cause)
  for _, grant in ipairs(lease and lease.grants or {}) do
    local causes = read(keys.quarantines, grant.device)
    if causes and causes[cause] then
      return
    end
  end
  redis.call("HDEL", keys.unproven, cause)
end

if verb == "add" then
  add_quarantine(keys, device, ARGV[3], ARGV[5], at_ms)
  return 1
end
local causes = verb == "lift" and { [ARGV[3]] = true } or read(keys.quarantines, device) or {}
for cause in pairs(causes) do
  lift_quarantine(keys, device, cause, at_ms)
  forget_unproven(cause)
end
return 1
