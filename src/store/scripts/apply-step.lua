-- KEYS: lead, guests, ended, leases, unproven, devices, quarantines, ledger.
-- ARGV: reign, the step as JSON, its ledger event as JSON, endedKeptMax, endedKeptMs.
-- Answers {"applied", the guest's record as JSON} or {"refused", why}.
local keys = {
  guests = KEYS[2],
  ended = KEYS[3],
  leases = KEYS[4],
  unproven = KEYS[5],
  devices = KEYS[6],
  quarantines = KEYS[7],
  ledger = KEYS[8],
}
local step = cjson.decode(ARGV[2])
local settlement = step.settlement
local is_final = step.liveGuestState == cjson.null

local guest = read_guest(keys.guests, step.guestId, "")

local function refused(why)
  -- The same request again: its answer was lost with the connection.
  if why == "repeated" and guest.stepRequest == step.request then
    return { "applied", cjson.encode(guest) }
  end
  return { "refused", why }
end

local function free_devices(lease)
  for _, grant in ipairs(lease.grants) do
    local held = read(keys.devices, grant.device) or {}
    held[lease.id] = nil
    if next(held) then
      write(keys.devices, grant.device, held)
    else
      redis.call("HDEL", keys.devices, grant.device)
    end
  end
end

-- What the end of an attempt does to its guest. Only its own failure counts against the retries (I9).
local function settle(guest)
  local outcome = settlement.outcome
  guest.liveLease = ""
  guest.workedMs = guest.workedMs + settlement.workedMs
  guest.usefulMs = guest.usefulMs + settlement.usefulMs
  guest.lostMs = guest.lostMs + settlement.lostMs
  guest.exitCode = settlement.exitCode
  guest.reason = step.detail
  guest.state = "waiting"
  if outcome == "done" then
    guest.state = "succeeded"
  elseif outcome == "cancelled" then
    guest.state = "cancelled"
  elseif step.budget == "retries" then
    guest.failures = guest.failures + 1
    if guest.failures > step.retries then
      guest.state = "failed"
    end
  elseif step.budget == "evictions" then
    guest.evictions = guest.evictions + 1
    if guest.evictions > step.evictionsMax then
      guest.state = "failed"
      guest.reason = string.format("evicted or left %d times; at most %d are allowed", guest.evictions, step.evictionsMax)
    end
  end
  -- However the attempt ended, there is no other.
  if guest.cancelReason and (guest.state == "waiting" or guest.state == "cancelled") then
    guest.state = "cancelled"
    guest.reason = guest.cancelReason
  end
end

if not leads(KEYS[1], ARGV[1]) then
  return refused("stale_epoch")
end

local lease = read(keys.leases, step.leaseId)
local is_live = lease ~= nil
lease = lease or read(keys.unproven, step.leaseId)
if not lease then
  return refused(step.attempt <= guest.attempts and "repeated" or "unknown_lease")
end
if lease.token.generation ~= step.token.generation or lease.token.number ~= step.token.number then
  return refused("stale_token")
end
if step.step <= lease.step then
  return refused("repeated")
end
local lacks_settlement = is_live and is_final and settlement == cjson.null
if not step.after[lease.state] or lacks_settlement then
  return refused("bad_transition")
end

lease.state = step.state
lease.stateSinceMs = step.atMs
lease.step = step.step
guest.stepRequest = step.request
emit(keys.ledger, ARGV[3])

if not is_final then
  write(keys.leases, lease.id, lease)
  guest.state = step.liveGuestState
  guest.stateSinceMs = step.atMs
  write(keys.guests, step.guestId, guest)
elseif is_live then
  redis.call("HDEL", keys.leases, lease.id)
  free_devices(lease)
  if step.state == "quarantined" then
    write(keys.unproven, lease.id, lease)
    for _, grant in ipairs(lease.grants) do
      add_quarantine(keys, grant.device, lease.id, step.detail, step.atMs)
    end
  end
  settle(guest)
  rest_guest(keys, step.guestId, guest, step.atMs, { max = tonumber(ARGV[4]), ms = tonumber(ARGV[5]) })
else
  -- The proof that was missing came late; the attempt was settled when it ended.
  redis.call("HDEL", keys.unproven, lease.id)
  for _, grant in ipairs(lease.grants) do
    lift_quarantine(keys, grant.device, lease.id, step.atMs)
  end
end
return { "applied", cjson.encode(guest) }
