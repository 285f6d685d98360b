-- KEYS: lead. ARGV: atMs, the largest epoch that the caller knows. Answers {epoch, generation, the last token's number}.
local known = tonumber(ARGV[2])
local last = tonumber(redis.call("HGET", KEYS[1], "epoch") or 0)
local epoch = math.max(last, known) + 1
redis.call("HSET", KEYS[1], "epoch", epoch, "atMs", ARGV[1])
redis.call("HSETNX", KEYS[1], "generation", 1)
local generation, number = unpack(redis.call("HMGET", KEYS[1], "generation", "number"))
return { epoch, tonumber(generation), tonumber(number or 0) }
