import fc from "fast-check";
import { WindowCurve } from "../../src/core/forecast/window-curve.ts";
import type { GuestSpec, Shape, WaitingGuest } from "../../src/core/guest.ts";
import type { Lease } from "../../src/core/lease.ts";
import type { PoolPolicy } from "../../src/core/policy.ts";
import type { CycleSettings, DeviceView, PoolView, Snapshot } from "../../src/core/snapshot.ts";

/** Snapshots for tests of the matcher: what a test does not name has a value that is in nobody's way. */

export const nowMs = 1_000_000_000;
const minuteMs = 60_000;

export const settings: CycleSettings = {
  fitChanceMin: 0.5,
  evictionPenaltyMs: 5 * minuteMs,
  pausePenaltyMs: 5_000,
  unheardMs: 16_500,
  horizonMs: 240 * minuteMs,
};

/** Owners that stay away for `meanMs` on average, whatever they did before. */
export function steadyCurve(meanMs: number): WindowCurve {
  return new WindowCurve([30 * meanMs], [Math.exp(-30)], 0);
}

export const longCurve = steadyCurve(100 * 3_600_000);
export const shortCurve = steadyCurve(10_000);

export function pool(name: string, change: Partial<PoolPolicy> = {}, view: Partial<PoolView> = {}): PoolView {
  const policy: PoolPolicy = {
    pool: name,
    owner: "owner",
    mode: "lend",
    lentShareMax: 1,
    windows: [],
    meetingsPerGpuDayMax: null,
    waitedShareMax: null,
    recallDeadlineMs: 30_000,
    pauseBudgetMs: 600_000,
    firstRung: "vacate",
    vacateFromPause: "thaw",
    returnSignal: "activity",
    reserveMemoryMib: 0,
    idleMsMin: minuteMs,
    ...change,
  };
  return { policy, windowOpen: true, meetingsAllowed: true, lentMax: null, ...view };
}

export function device(
  uuid: string,
  change: Partial<DeviceView> & {
    host?: string;
    pool?: string;
    model?: string;
    memoryTotalMib?: number | null;
  } = {},
): DeviceView {
  const {
    host = "host-1",
    pool: poolName = "pool-1",
    model = "H100",
    memoryTotalMib = 80_000,
    ...view
  } = change;
  return {
    info: { uuid, host, pool: poolName, model, index: 0, memoryTotalMib },
    owner: "idle",
    ownerReason: "idle",
    ownerSinceMs: nowMs - 60 * minuteMs,
    curve: longCurve,
    worthLending: true,
    leases: [],
    quarantineReason: null,
    heldBy: null,
    requiredIdleMs: minuteMs,
    memoryUsedByOwnerMib: 0,
    agentConnected: true,
    ...view,
  };
}

export function guest(
  id: string,
  change: Omit<Partial<GuestSpec>, "shape"> & {
    shape?: Partial<Shape>;
    sequence?: number;
    workedMs?: number;
  } = {},
): WaitingGuest {
  const { shape, sequence = 0, workedMs = 0, ...spec } = change;
  const tenant = spec.tenant ?? "tenant-1";
  return {
    id,
    sequence,
    waitingSinceMs: 0,
    evictions: 0,
    workedMs,
    spec: {
      tenant,
      name: id,
      kind: "batch",
      workload: { kind: "process", command: ["true"], env: {}, workingDir: "" },
      priority: 50,
      checkpointIntervalMs: null,
      startMs: 30_000,
      noticeMs: 10_000,
      durationHintMs: null,
      retries: 0,
      evictionsMax: 100,
      notBeforeMs: null,
      trustGroup: tenant,
      labels: {},
      ...spec,
      shape: { devices: 1, sharePermille: 1000, memoryMib: null, model: "", pools: [], ...shape },
    },
  };
}

export function lease(
  guestId: string,
  grants: readonly { device: string; sharePermille?: number; memoryMib?: number }[],
  trustGroup = "tenant-1",
): Lease {
  return {
    id: `${guestId}:1`,
    guestId,
    tenant: trustGroup,
    attempt: 1,
    host: "host-1",
    token: { generation: 1, number: 1 },
    epoch: 1,
    grants: grants.map((grant) => ({ sharePermille: 1000, memoryMib: 0, ...grant })),
    trustGroup,
    state: "running",
    lentAtMs: 0,
    stateSinceMs: 0,
    step: 1,
  };
}

export function snapshot(
  change: Omit<Partial<Snapshot>, "pools"> & { pools?: readonly PoolView[] } = {},
): Snapshot {
  const { pools = [pool("pool-1")], ...rest } = change;
  return {
    nowMs,
    devices: [],
    guests: [],
    tenants: [],
    limits: { lendsMax: 1_000 },
    ...rest,
    pools: new Map(pools.map((view) => [view.policy.pool, view])),
  };
}

/** As a controller hands in one snapshot after the other: some objects are the same as before, others are new, moved or gone. */
export function nextSnapshot(before: Snapshot, after: Snapshot): Snapshot {
  return {
    ...after,
    devices: [
      ...before.devices.filter((_, place) => place % 3 !== 0).toReversed(),
      ...after.devices.slice(0, 2),
    ].filter(({ info }, place, all) => all.findIndex((other) => other.info.uuid === info.uuid) === place),
    guests: [...after.guests.slice(0, 3), ...before.guests].filter(
      ({ id }, place, all) => all.findIndex((other) => other.id === id) === place,
    ),
  };
}

/** Nearly always the first: obstacles add up, and where everything is in the way nothing is tested. */
function mostly<T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 9, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
}

const anyPool = fc.record({
  mode: mostly<"lend" | "observe">("lend", "observe"),
  lentShareMax: fc.constantFrom(1, 1, 0.7, 0.3),
  firstRung: fc.constantFrom<("pause" | "vacate")[]>("pause", "vacate"),
  reserveMemoryMib: fc.constantFrom(0, 5_000),
  windowOpen: mostly(true, false),
  meetingsAllowed: mostly(true, false),
  lentMax: mostly<number | null>(null, 0, 2),
});

const anyDevice = fc.record({
  host: fc.constantFrom("host-1", "host-2"),
  pool: mostly("pool-1", "pool-2", "pool-2", "pool-without-policy"),
  model: mostly("H100", "L40S"),
  memoryTotalMib: mostly<number | null>(80_000, 40_000, null),
  owner: mostly<"idle" | "busy" | "unknown">("idle", "busy", "unknown"),
  idleMs: mostly(60 * minuteMs, 1_000, 5 * minuteMs),
  curve: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(longCurve, steadyCurve(10 * 3_600_000), steadyCurve(3_600_000)) },
    { weight: 1, arbitrary: fc.constantFrom(steadyCurve(20 * minuteMs), shortCurve, null) },
  ),
  worthLending: mostly(true, false),
  quarantineReason: mostly<string | null>(null, "dirty"),
  heldBy: mostly<"held" | "cool_down" | null>(null, "held", "cool_down"),
  requiredIdleMs: mostly(minuteMs, 10 * minuteMs),
  memoryUsedByOwnerMib: mostly<number | null>(0, 300, 79_900, null),
  agentConnected: mostly(true, false),
  lent: fc.option(
    fc.record({
      sharePermille: fc.constantFrom(100, 500, 1000),
      memoryMib: fc.constantFrom(0, 30_000),
      trustGroup: fc.constantFrom("tenant-1", "tenant-2"),
    }),
    { nil: null, freq: 3 },
  ),
});

const anyGuest = fc.record({
  tenant: fc.constantFrom("tenant-1", "tenant-2", "tenant-3"),
  trustGroup: fc.constantFrom("tenant-1", "tenant-2"),
  priority: fc.constantFrom(10, 50, 90),
  durationHintMs: fc.constantFrom(null, 10 * minuteMs, 60 * minuteMs),
  checkpointIntervalMs: fc.constantFrom(null, minuteMs),
  workedMs: fc.constantFrom(0, 30_000, 120 * minuteMs),
  shape: fc.oneof(
    fc.record({ devices: fc.integer({ min: 1, max: 4 }), memoryMib: fc.constantFrom(null, 30_000) }),
    fc.record({
      sharePermille: fc.constantFrom(100, 300, 500, 700),
      memoryMib: fc.constantFrom(null, 20_000, 45_000),
    }),
    fc.record({ model: fc.constantFrom("", "H100", "L40S"), pools: fc.constantFrom([], ["pool-2"]) }),
  ),
});

/** Small fleets with everything that can be in the way, in all combinations. */
export const anySnapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    pools: fc.tuple(anyPool, anyPool),
    devices: fc.array(anyDevice, { minLength: 4, maxLength: 16, size: "max" }),
    guests: fc.array(anyGuest, { minLength: 1, maxLength: 20, size: "max" }),
    weights: fc.tuple(fc.constantFrom(1, 2, 5), fc.constantFrom(1, 3)),
    used: fc.tuple(fc.integer({ min: 0, max: 1e7 }), fc.integer({ min: 0, max: 1e7 })),
    lendsMax: mostly(100, 1, 3),
  })
  .map(({ pools, devices, guests, weights, used, lendsMax }) =>
    snapshot({
      pools: pools.map(({ windowOpen, meetingsAllowed, lentMax, ...policy }, index) =>
        pool(`pool-${index + 1}`, policy, { windowOpen, meetingsAllowed, lentMax }),
      ),
      devices: devices.map(({ lent, idleMs, ...view }, index) => {
        const uuid = `GPU-${(index * 7) % 13}-${index}`;
        const leases =
          lent === null ? [] : [lease(`live-${index}`, [{ device: uuid, ...lent }], lent.trustGroup)];
        return device(uuid, { ...view, ownerSinceMs: nowMs - idleMs, leases });
      }),
      guests: guests.map((spec, index) => guest(`g-${index}`, { ...spec, sequence: index })),
      tenants: [0, 1].map((index) => ({
        tenant: `tenant-${index + 1}`,
        weight: weights[index] ?? 1,
        usedDeviceMs: used[index] ?? 0,
      })),
      limits: { lendsMax },
    }),
  );
