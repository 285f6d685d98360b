-- KEYS: ledger. ARGV: streamEntriesMax, events as JSON. All or none. Answers {1 if written, the stream's length}.
local length = redis.call("XLEN", KEYS[1])
if length >= tonumber(ARGV[1]) then
  return { 0, length }
end
for index = 2, #ARGV do
  emit(KEYS[1], ARGV[index])
end
return { 1, length + #ARGV - 1 }
