-- KEYS: lead. ARGV: epoch, the generation to be above. Answers the generation; nil: stale epoch.
if not leads(KEYS[1], ARGV[1]) then
  return false
end
local generation = math.max(tonumber(redis.call("HGET", KEYS[1], "generation")), tonumber(ARGV[2]) + 1)
redis.call("HSET", KEYS[1], "generation", generation)
return generation
