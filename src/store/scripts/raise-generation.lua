-- KEYS: lead. ARGV: reign, the generation to be above, the epoch from now on. Answers the generation; nil: stale reign.
if not leads(KEYS[1], ARGV[1]) then
  return false
end
local generation = math.max(tonumber(redis.call("HGET", KEYS[1], "generation")), tonumber(ARGV[2]) + 1)
redis.call("HSET", KEYS[1], "generation", generation, "epoch", ARGV[3])
return generation
