-- KEYS: lead, lock. ARGV: atMs, the largest epoch that the caller knows, a nonce, its id, its address, lockMs. Answers
-- {"won", epoch, generation, the last token's number} or {"held", address, ms until it expires}.
local at_ms, known, nonce, holder, address, lock_ms = unpack(ARGV)
local lock = redis.call("GET", KEYS[2])
if lock and not is_of(lock, holder) then
  return { "held", address_of(lock), redis.call("PTTL", KEYS[2]) }
end
redis.call("SET", KEYS[2], holder .. " " .. address, "PX", lock_ms)
local epoch = math.max(tonumber(redis.call("HGET", KEYS[1], "epoch") or 0), tonumber(known)) + 1
redis.call("HSET", KEYS[1], "epoch", epoch, "nonce", nonce, "holder", holder, "atMs", at_ms)
redis.call("HSETNX", KEYS[1], "generation", 1)
local generation, number = unpack(redis.call("HMGET", KEYS[1], "generation", "number"))
return { "won", epoch, tonumber(generation), tonumber(number or 0) }
