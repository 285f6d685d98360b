-- KEYS: lead, guests, leases, devices, quarantines, ledger. ARGV: the request as JSON, atMs, streamEntriesMax.
-- Answers {"lent", lease as JSON} or {"refused", why}.
local lead, guests, leases, devices, quarantines, ledger = unpack(KEYS)
local request = cjson.decode(ARGV[1])
local at_ms = tonumber(ARGV[2])

local function refused(why)
  return { "refused", why }
end

if not leads(lead, request.reign) then
  return refused("stale_epoch")
end

local guest = read_guest(guests, request.guestId, request.tenant)
if guest.liveLease ~= "" then
  local live = redis.call("HGET", leases, guest.liveLease)
  -- The same request again: its answer was lost with the connection.
  if live and cjson.decode(live).request == request.request then
    return { "lent", live }
  end
  return refused("guest_has_lease")
end
if has_ended(guest) then
  return refused("guest_ended")
end
if redis.call("XLEN", ledger) >= tonumber(ARGV[3]) then
  return refused("ledger_full")
end

local books = {}
for index, grant in ipairs(request.grants) do
  if redis.call("HEXISTS", quarantines, grant.device) == 1 then
    return refused("quarantined")
  end
  local held = read(devices, grant.device) or {}
  local share, memory = grant.sharePermille, grant.memoryMib
  for _, part in pairs(held) do
    share = share + part.sharePermille
    memory = memory + part.memoryMib
    if part.trustGroup ~= request.trustGroup then
      return refused("trust_mismatch")
    end
  end
  if share > 1000 then
    return refused("share_taken")
  end
  local lendable = request.memoryLendableMib[index]
  if lendable ~= cjson.null and memory > lendable then
    return refused("memory_taken")
  end
  books[grant.device] = held
end

guest.attempts = guest.attempts + 1
local id = request.guestId .. ":" .. string.format("%d", guest.attempts)
local lease = {
  id = id,
  guestId = request.guestId,
  tenant = request.tenant,
  attempt = guest.attempts,
  host = request.host,
  token = {
    generation = tonumber(redis.call("HGET", lead, "generation")),
    number = redis.call("HINCRBY", lead, "number", 1),
  },
  epoch = request.epoch,
  grants = request.grants,
  trustGroup = request.trustGroup,
  state = "starting",
  lentAtMs = at_ms,
  stateSinceMs = at_ms,
  step = 0,
  request = request.request,
}
local json = cjson.encode(lease)
redis.call("HSET", leases, id, json)

guest.state = "starting"
guest.stateSinceMs = at_ms
guest.liveLease = id
guest.host = request.host
guest.reason = request.reason
write(guests, request.guestId, guest)

emit(ledger, {
  type = "lent",
  atMs = at_ms,
  leaseId = id,
  guestId = request.guestId,
  tenant = request.tenant,
  attempt = guest.attempts,
  grants = request.grants,
  reason = request.reason,
  forecastHash = request.forecastHash,
})
for _, grant in ipairs(request.grants) do
  local held = books[grant.device]
  held[id] = { sharePermille = grant.sharePermille, memoryMib = grant.memoryMib, trustGroup = request.trustGroup }
  write(devices, grant.device, held)
  emit(ledger, {
    type = "decision",
    atMs = at_ms,
    kind = "lend",
    device = grant.device,
    guestId = request.guestId,
    leaseId = id,
    reasonCode = request.reasonCode,
    reason = request.reason,
    forecastHash = request.forecastHash,
  })
end
return { "lent", json }
