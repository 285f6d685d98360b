-- Stands in front of every script. Records are JSON in hashes; an absent field is nil here.

local function read(key, field)
  local json = redis.call("HGET", key, field)
  return json and cjson.decode(json) or nil
end

local function write(key, field, value)
  redis.call("HSET", key, field, cjson.encode(value))
end

-- `reign` is EPOCH:NONCE. Any other is refused, one of a larger epoch too: then Redis came back older than its leader.
local function leads(lead, reign)
  local epoch, nonce = unpack(redis.call("HMGET", lead, "epoch", "nonce"))
  return epoch and epoch .. ":" .. (nonce or "") == reign
end

-- The lock's text is the holder's id, a space, its address.
local function is_of(lock, holder)
  return string.match(lock, "^%S+") == holder
end

local function address_of(lock)
  return string.match(lock, " (.*)$")
end

local function emit(ledger, event)
  redis.call("XADD", ledger, "*", "e", type(event) == "string" and event or cjson.encode(event))
end

local function read_guest(guests, id, tenant)
  return read(guests, id)
    or {
      tenant = tenant,
      state = "waiting",
      stateSinceMs = 0,
      attempts = 0,
      failures = 0,
      evictions = 0,
      workedMs = 0,
      usefulMs = 0,
      lostMs = 0,
      liveLease = "",
      host = "",
      endedAtMs = cjson.null,
      exitCode = cjson.null,
      reason = "",
    }
end

local function has_ended(record)
  return record.endedAtMs ~= cjson.null
end

-- The guest comes to rest: waiting again, or for good. `kept` bounds the records of ended guests by number and age.
local function rest_guest(keys, id, record, at_ms, kept)
  record.stateSinceMs = at_ms
  if record.state ~= "waiting" then
    record.endedAtMs = at_ms
    redis.call("ZADD", keys.ended, at_ms, id)
  end
  write(keys.guests, id, record)
  emit(keys.ledger, {
    type = "guest",
    atMs = at_ms,
    guestId = id,
    tenant = record.tenant,
    state = record.state,
    reason = record.reason,
  })
  -- Two may go for each that comes, so that a lowered bound is reached in small steps.
  for _ = 1, 2 do
    local oldest = redis.call("ZRANGE", keys.ended, 0, 0, "WITHSCORES")
    local too_many = redis.call("ZCARD", keys.ended) > kept.max
    if oldest[1] == nil or not (too_many or tonumber(oldest[2]) < at_ms - kept.ms) then
      return
    end
    redis.call("ZREM", keys.ended, oldest[1])
    redis.call("HDEL", keys.guests, oldest[1])
  end
end

-- A device is out of use for as long as one cause stands.
local function add_quarantine(keys, device, cause, reason, at_ms)
  local causes = read(keys.quarantines, device) or {}
  if causes[cause] and causes[cause].reason == reason then
    return
  end
  causes[cause] = { reason = reason, sinceMs = at_ms }
  write(keys.quarantines, device, causes)
  emit(keys.ledger, { type = "quarantine", atMs = at_ms, device = device, reason = reason })
end

local function lift_quarantine(keys, device, cause, at_ms)
  local causes = read(keys.quarantines, device)
  if not causes or not causes[cause] then
    return
  end
  causes[cause] = nil
  if next(causes) then
    write(keys.quarantines, device, causes)
    return
  end
  redis.call("HDEL", keys.quarantines, device)
  emit(keys.ledger, { type = "quarantine", atMs = at_ms, device = device, reason = cjson.null })
end
