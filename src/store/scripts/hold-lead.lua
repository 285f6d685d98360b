-- KEYS: lead, lock. ARGV: reign, id, address, lockMs (0: gives the lock up). Answers 1; nil: it leads no more.
local reign, holder, address, lock_ms = unpack(ARGV)
local lock = redis.call("GET", KEYS[2])
if lock_ms == "0" then
  if lock and is_of(lock, holder) then
    redis.call("DEL", KEYS[2])
  end
  return 1
end
if not leads(KEYS[1], reign) or (lock and not is_of(lock, holder)) then
  return false
end
redis.call("SET", KEYS[2], holder .. " " .. address, "PX", lock_ms)
return 1
