import { parseSettings, type Settings } from "../../src/config/settings.ts";
import type { GuestSpec } from "../../src/core/guest.ts";
import { openGuestQueue, type GuestQueue } from "../../src/queue/guest-queue.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { zoneKeys } from "../../src/store/keys.ts";

export function guestSpec(changes: Partial<GuestSpec> = {}): GuestSpec {
  return {
    tenant: "acme",
    name: "train",
    kind: "batch",
    workload: { kind: "process", command: ["/bin/true"], env: {}, workingDir: "" },
    shape: { devices: 1, sharePermille: 1_000, memoryMib: null, model: "", pools: [] },
    priority: 50,
    checkpointIntervalMs: null,
    startMs: 0,
    noticeMs: 0,
    durationHintMs: null,
    retries: 0,
    evictionsMax: 100,
    notBeforeMs: null,
    trustGroup: "acme",
    labels: {},
    ...changes,
  };
}

export interface OpenOptions {
  readonly url: string;
  readonly zone: string;
  readonly queue?: Partial<Settings["queue"]>;
  readonly headsMax?: number;
}

export function openQueue({ url, zone, queue = {}, headsMax = 50_000 }: OpenOptions): Promise<GuestQueue> {
  const { queue: settings } = parseSettings({ queue }, "test");
  return openGuestQueue({ redisUrl: url, zone, settings, headsMax });
}

/** Ids of the accepted, in order; fails for a refusal. */
export async function submitAll(queue: GuestQueue, specs: readonly GuestSpec[]): Promise<string[]> {
  const outcomes = await queue.submit(specs.map((spec) => ({ spec, idempotencyKey: "" })));
  return outcomes.map((outcome) => {
    if ("refused" in outcome) throw outcome.refused;
    return outcome.id;
  });
}

export function headIds(queue: GuestQueue): string[] {
  return queue.heads().map(({ id }) => id);
}

/** As the books do before a guest leaves the queue. All that the queue reads of a record. */
export async function recordEnds(url: string, zone: string, ids: readonly string[]): Promise<void> {
  const redis = await connectRedis(url, { name: "test" });
  const records = ids.flatMap((id) => [id, JSON.stringify({ endedAtMs: 1 })]);
  if (records.length > 0) await redis.hset(zoneKeys(zone).guests, ...records);
  redis.disconnect();
}

export const noRecords = { liveGuestIds: new Set<string>(), record: async () => new Map() };
