-- KEYS: lead, leases. ARGV: reign, leases. Answers those that live in the books; nil: stale reign.
if not leads(KEYS[1], ARGV[1]) then
  return false
end
local live = {}
for index = 2, #ARGV do
  if redis.call("HEXISTS", KEYS[2], ARGV[index]) == 1 then
    live[#live + 1] = ARGV[index]
  end
end
return live
