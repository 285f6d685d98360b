-- KEYS: lead, memory. ARGV: reign, then device, MiB or "" (the claim is settled), and so on.
-- Answers 1; nil: stale reign.
if not leads(KEYS[1], ARGV[1]) then
  return false
end
for at = 2, #ARGV, 2 do
  if ARGV[at + 1] == "" then
    redis.call("HDEL", KEYS[2], ARGV[at])
  else
    redis.call("HSET", KEYS[2], ARGV[at], ARGV[at + 1])
  end
end
return 1
