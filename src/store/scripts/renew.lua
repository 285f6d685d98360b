-- KEYS: lead, leases, renewed. ARGV: epoch, atMs, leases. Answers those that live in the books; nil: stale epoch.
if not leads(KEYS[1], ARGV[1]) then
  return false
end
local live, renewals = {}, {}
for index = 3, #ARGV do
  if redis.call("HEXISTS", KEYS[2], ARGV[index]) == 1 then
    live[#live + 1] = ARGV[index]
    renewals[#renewals + 1] = ARGV[index]
    renewals[#renewals + 1] = ARGV[2]
  end
end
if #live > 0 then
  redis.call("HSET", KEYS[3], unpack(renewals))
end
return live
