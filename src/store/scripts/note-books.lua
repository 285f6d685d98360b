-- KEYS: ledger, books, forgotten. ARGV: a reader, the id up to which its books hold the ledger (0-0: they begin), its wish,
-- the entries that are kept for others at most. Forgets what all readers' books hold; those that are behind the caller's and
-- would keep more are known no longer. Answers the id up to which the ledger is forgotten: books that begin do so there, and
-- books that end before it have missed entries and are not known.
local reader, place, wish, kept_max = unpack(ARGV)
local forgotten = redis.call("GET", KEYS[3]) or "0-0"

local function is_before(a, b)
  local a_ms, a_sequence = string.match(a, "^(%d+)-(%d+)")
  local b_ms, b_sequence = string.match(b, "^(%d+)-(%d+)")
  if a_ms ~= b_ms then
    return tonumber(a_ms) < tonumber(b_ms)
  end
  return tonumber(a_sequence) < tonumber(b_sequence)
end

if place == "0-0" then
  place = forgotten
elseif is_before(place, forgotten) then
  redis.call("HDEL", KEYS[2], reader)
  return forgotten
end
redis.call("HSET", KEYS[2], reader, place .. " " .. wish)

local places = {}
local all = redis.call("HGETALL", KEYS[2])
for index = 1, #all, 2 do
  places[all[index]] = all[index + 1]
end
while true do
  local slowest, held = nil, place
  for other, its in pairs(places) do
    if is_before(its, held) then
      slowest, held = other, string.match(its, "^%S+")
    end
  end
  if is_before(forgotten, held) then
    local ms, sequence = string.match(held, "^(%d+)-(%d+)$")
    redis.call("XTRIM", KEYS[1], "MINID", "=", string.format("%s-%.0f", ms, sequence + 1))
    redis.call("SET", KEYS[3], held)
    forgotten = held
  end
  if slowest == nil or redis.call("XLEN", KEYS[1]) <= tonumber(kept_max) then
    return forgotten
  end
  redis.call("HDEL", KEYS[2], slowest)
  places[slowest] = nil
end
