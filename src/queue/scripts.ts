import type { Redis } from "ioredis";
import type { QueueKeys } from "./keys.ts";

/**
 * The index of the queue changes in these scripts only. BullMQ's own keys are left to BullMQ, but for what it has no
 * script for: to end a job if its guest's record says so, to renew locks over many queues, to set a lane up and to remove
 * an unused one.
 * KEYS: 1 prefix of the index, 2 prefix of BullMQ's keys, 3 the guests' records.
 */
const prelude = `
local index, jobs = KEYS[1] .. ':', KEYS[2] .. ':'
local function laneOf(id) return string.sub(id, 1, 10) end
local function laneKey(id, name) return jobs .. laneOf(id) .. ':' .. name end
local function jobKey(id) return laneKey(id, id) end

-- Out of the index; the last guest of a lane takes the lane with it. Answers with the tenant, nil if it was not there.
local function forget(id, key)
  redis.call('ZREM', index .. 'ended', id)
  if redis.call('ZREM', index .. 'guests', id) == 0 then return nil end
  local tenant = cjson.decode(redis.call('HGET', index .. 'lanes', laneOf(id)))[1]
  redis.call('ZREM', index .. 'guests:' .. tenant, id)
  if key ~= '' then
    local keys = index .. 'keys:' .. tenant
    local held = redis.call('HGET', keys, key)
    if held and string.match(held, '^%S+') == id then redis.call('HDEL', keys, key) end
  end
  if redis.call('HINCRBY', index .. 'lane-guests', laneOf(id), -1) <= 0 then
    redis.call('HDEL', index .. 'lane-guests', laneOf(id))
    redis.call('HDEL', index .. 'lanes', laneOf(id))
    redis.call('SREM', index .. 'lanes-to-ask', laneOf(id))
    redis.call('DEL', laneKey(id, 'meta'), laneKey(id, 'id'), laneKey(id, 'events'), laneKey(id, 'marker'))
  end
  return tenant
end

local function countClosed(tenant)
  if redis.call('HINCRBY', index .. 'open', tenant, -1) <= 0 then redis.call('HDEL', index .. 'open', tenant) end
end

local function markEnded(id, tenant, now)
  if redis.call('ZSCORE', index .. 'guests', id) and redis.call('ZADD', index .. 'ended', 'NX', now, id) == 1 then
    countClosed(tenant)
  end
end
`;

/**
 * ARGV: now, open guests of a tenant and of all at most, flush, its guests for \`pending\`, number of guests, number of lanes,
 * (lane, descriptor, tenant)…, then for each guest its id, and its key, and unless that is empty its fingerprint. Answers for each guest:
 *   its sequence · ["full", open of its tenant] · ["zone full", open of all] · ["reused", guest] · ["known" or "unfinished", guest, sequence, submittedAtMs]
 * Unfinished: admitted once, and its job was never added.
 */
const admit = `${prelude}
local now, limit, zoneLimit, flush = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local count, at, descriptors, tenantOf = tonumber(ARGV[6]), 8, {}, {}
for _ = 1, tonumber(ARGV[7]) do
  descriptors[ARGV[at]], tenantOf[ARGV[at]] = ARGV[at + 1], ARGV[at + 2]
  local known = redis.call('HGET', index .. 'lanes', ARGV[at])
  if known and known ~= ARGV[at + 1] then return redis.error_reply('LANES two lanes share the id ' .. ARGV[at]) end
  at = at + 3
end
local sequence = redis.call('INCRBY', index .. 'sequence', count) - count

local answers, fresh, open, laneGuests, zone, tenants = {}, {}, {}, {}, {}, {}
local zoneOpen = redis.call('ZCARD', index .. 'guests') - redis.call('ZCARD', index .. 'ended')
for i = 1, count do
  local id, key, answer = ARGV[at], ARGV[at + 1], nil
  local print = key ~= '' and ARGV[at + 2]
  at = at + (print and 3 or 2)
  local lane = laneOf(id)
  local tenant = tenantOf[lane]
  local held = key ~= '' and redis.call('HGET', index .. 'keys:' .. tenant, key)
  if held then
    local first, itsSequence, itsTime, itsPrint = string.match(held, '^(%S+) (%S+) (%S+) (%S+)$')
    if redis.call('ZSCORE', index .. 'guests', first) or fresh[first] then
      if itsPrint ~= print then
        answer = {'reused', first}
      else
        local there = fresh[first] or redis.call('EXISTS', jobKey(first)) == 1
          or redis.call('ZSCORE', index .. 'ended', first)
        answer = {there and 'known' or 'unfinished', first, itsSequence, itsTime}
      end
    end
  end
  if not answer then
    open[tenant] = open[tenant] or tonumber(redis.call('HGET', index .. 'open', tenant) or '0')
    if open[tenant] >= limit then
      answer = {'full', open[tenant]}
    elseif zoneOpen >= zoneLimit then
      answer = {'zone full', zoneOpen}
    else
      open[tenant] = open[tenant] + 1
      zoneOpen = zoneOpen + 1
      sequence = sequence + 1
      answer = sequence
      fresh[id] = true
      laneGuests[lane] = (laneGuests[lane] or 0) + 1
      local mine = tenants[tenant] or {}
      tenants[tenant] = mine
      mine[#mine + 1], mine[#mine + 2] = sequence, id
      zone[#zone + 1], zone[#zone + 2] = sequence, id
      if key ~= '' then
        redis.call('HSET', index .. 'keys:' .. tenant, key, id .. ' ' .. sequence .. ' ' .. now .. ' ' .. print)
      end
    end
  end
  answers[i] = answer
end

if #zone > 0 then
  redis.call('ZADD', index .. 'guests', unpack(zone))
  redis.call('HSET', index .. 'pending', flush, ARGV[5])
end
for tenant, guests in pairs(tenants) do
  redis.call('ZADD', index .. 'guests:' .. tenant, unpack(guests))
  redis.call('HINCRBY', index .. 'open', tenant, #guests / 2)
end
for lane, guests in pairs(laneGuests) do
  if redis.call('HINCRBY', index .. 'lane-guests', lane, guests) == guests then
    redis.call('HSET', index .. 'lanes', lane, descriptors[lane])
    -- BullMQ keeps 10,000 events a queue unless told; nobody reads those of the lanes.
    redis.call('HSET', jobs .. lane .. ':meta', 'opts.maxLenEvents', 0)
  end
end
return answers
`;

/** ARGV: (guest, key)… Removes those without a job; answers with the lanes of the others. */
const withdraw = `${prelude}
local lanes = {}
for i = 1, #ARGV, 2 do
  if redis.call('EXISTS', jobKey(ARGV[i])) == 1 then
    lanes[#lanes + 1] = laneOf(ARGV[i])
  elseif not redis.call('ZSCORE', index .. 'ended', ARGV[i]) then
    local tenant = forget(ARGV[i], ARGV[i + 1])
    if tenant then countClosed(tenant) end
  end
end
return lanes
`;

/**
 * ARGV: token, "claimed" or "unclaimed", now, guest, tenant, set, field, value. Whoever asks has read that the guest has ended,
 * and Redis may have come back older since: so its record is read here, and no job ends before it. An expired lock is ours
 * still. Answers one of EndAnswer.
 */
const end = `${prelude}
local token, isClaimed, now, id, tenant = ARGV[1], ARGV[2] == 'claimed', ARGV[3], ARGV[4], ARGV[5]
local holder = redis.call('GET', jobKey(id) .. ':lock')
if isClaimed and holder and holder ~= token then return 'locked' end
local record = redis.call('HGET', KEYS[3], id)
if not record or cjson.decode(record).endedAtMs == cjson.null then return 'open' end
local removed = redis.call('LREM', laneKey(id, 'wait'), 1, id) + redis.call('ZREM', laneKey(id, 'delayed'), id)
if isClaimed then removed = removed + redis.call('LREM', laneKey(id, 'active'), -1, id) end
if removed == 0 then return 'gone' end
redis.call('DEL', jobKey(id) .. ':lock')
redis.call('ZADD', laneKey(id, ARGV[6]), now, id)
redis.call('HSET', jobKey(id), ARGV[7], ARGV[8], 'finishedOn', now)
markEnded(id, tenant, now)
return 'ended'
`;

/** ARGV: (guest, key)… */
const forgetEnded = `${prelude}
for i = 1, #ARGV, 2 do forget(ARGV[i], ARGV[i + 1]) end
`;

/**
 * ARGV: token, ms, "take" or "renew", guest… A lock that expired is taken again: nobody else claims. "take" overrules
 * the predecessor's. Answers with the guests whose lock another leader holds.
 */
const lock = `${prelude}
local token, ms, takes, lost = ARGV[1], ARGV[2], ARGV[3] == 'take', {}
for i = 4, #ARGV do
  local name = jobKey(ARGV[i]) .. ':lock'
  local holder = redis.call('GET', name)
  if takes or not holder or holder == token then
    redis.call('SET', name, token, 'PX', ms)
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
`;

const scripts = { admit, withdraw, end, forgetEnded, lock };

export type AdmitAnswer =
  | number
  | readonly ["full" | "zone full", number]
  | readonly ["reused", string]
  | KnownGuest;
/** `locked`: we hold it no more, another leader does. `open`: its record has not ended, so it did not. `gone`: no such job is there to end. */
export type EndAnswer = "ended" | "locked" | "open" | "gone";
export type KnownGuest = readonly ["known" | "unfinished", string, string, string];

interface Answers {
  admit: readonly AdmitAnswer[];
  withdraw: readonly string[];
  end: EndAnswer;
  forgetEnded: null;
  lock: readonly string[];
}

export type RunScript = <Name extends keyof typeof scripts>(
  name: Name,
  args: readonly (string | number)[],
) => Promise<Answers[Name]>;

/** Loads the scripts into a connection. */
export function queueScripts(redis: Redis, keys: QueueKeys): RunScript {
  const commands = redis as unknown as Record<string, (...args: unknown[]) => Promise<never>>;
  const commandOf = (name: string) => `gleaner-queue-${name}`;
  for (const [name, lua] of Object.entries(scripts))
    redis.defineCommand(commandOf(name), { numberOfKeys: 3, lua });
  return (name, args) => commands[commandOf(name)]!(keys.index, keys.jobs, keys.records, ...args);
}
