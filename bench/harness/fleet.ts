import { WindowCurve } from "../../src/core/forecast/window-curve.ts";
import type { GuestSpec, Shape, WaitingGuest } from "../../src/core/guest.ts";
import type { Lease } from "../../src/core/lease.ts";
import type { PoolPolicy } from "../../src/core/policy.ts";
import type { DeviceView, PoolView, Snapshot, TenantUse } from "../../src/core/snapshot.ts";
import { defaults } from "../../src/config/defaults.ts";
import { SeededRandom } from "./random.ts";

const devicesPerPool = 1_000;
const devicesPerHost = 8;
const nowMs = 30 * 86_400_000;
const models = ["NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB", "NVIDIA L40S"];
const memoryMib = [81_559, 81_920, 46_068];

const any = { sharePermille: 1000, memoryMib: null, model: "", pools: [] } as const;
const shapes: readonly Shape[] = [
  { ...any, devices: 1 },
  { ...any, devices: 1, memoryMib: 40_000 },
  { ...any, devices: 1, model: models[0]! },
  { ...any, devices: 1, pools: ["pool-0"] },
  { ...any, devices: 2 },
  { ...any, devices: 4 },
  { ...any, devices: 8 },
  { ...any, devices: 1, sharePermille: 500 },
  { ...any, devices: 1, sharePermille: 250, memoryMib: 10_000 },
  { ...any, devices: 1, sharePermille: 100, memoryMib: 4_000 },
];

export interface FleetSize {
  readonly devices: number;
  readonly guests: number;
  readonly tenants: number;
  readonly lendsMax: number;
}

/**
 * A fleet with a bit of everything: 70 % idle for 10 s to a day, 25 % busy, 5 % unknown; a fifth of the idle ones lent already, in
 * half of the cases in part; pools of about 1,000 devices on hosts of 8, one in ten in observe mode; ten shapes with gangs and shares.
 */
export function randomFleet(size: FleetSize, seed: number): Snapshot {
  const random = new SeededRandom(seed);
  const pools = new Map<string, PoolView>();
  const poolCount = Math.max(1, Math.round(size.devices / devicesPerPool));
  for (let pool = 0; pool < poolCount; pool++)
    pools.set(`pool-${pool}`, poolView(`pool-${pool}`, pool, random));
  const curves = learnedCurves(poolCount, random);
  const devices = Array.from({ length: size.devices }, (_, index) => {
    const pool = Math.min(poolCount - 1, Math.floor(index / devicesPerPool));
    return deviceView(index, pool, size.tenants, curves, random);
  });
  const tenants = Array.from({ length: size.tenants }, (_, tenant): TenantUse => ({
    tenant: `tenant-${tenant}`,
    weight: random.pick([1, 1, 2, 4]),
    usedDeviceMs: random.next() * 1e9,
  }));
  const guests = Array.from({ length: size.guests }, (_, index) => waitingGuest(index, size.tenants, random));
  return { nowMs, devices, pools, guests, tenants, limits: { lendsMax: size.lendsMax } };
}

function poolView(name: string, index: number, random: SeededRandom): PoolView {
  const policy: PoolPolicy = {
    ...defaults.policy,
    pool: name,
    owner: `owner-${index}`,
    mode: index % 10 === 9 ? "observe" : "lend",
    windows: [],
    firstRung: random.chance(0.5) ? "pause" : "vacate",
    lentShareMax: random.pick([0.5, 0.9, 1, 1]),
    reserveMemoryMib: random.pick([0, 2_048]),
  };
  return { policy, windowOpen: true, meetingsAllowed: true, lentMax: null };
}

const minuteMs = 60_000;
const horizonsMs = [1, 5, 15, 30, 60].map((minutes) => minutes * minuteMs);
const ageClasses = 18;
const hazardClasses = 6;

/** By pool: the curves of devices that are much alike, as pools whose owners return at different rates have them. */
function learnedCurves(pools: number, random: SeededRandom): WindowCurve[][] {
  return Array.from({ length: pools }, () => {
    const meanMs = minuteMs * 2 ** (random.next() * 8);
    return Array.from({ length: ageClasses * hazardClasses }, (_, index) => {
      const perMs = (2 ** (index / ageClasses - 3) / meanMs) * 0.8 ** (index % ageClasses);
      const survival = horizonsMs.map((horizonMs) => Math.max(1e-9, Math.exp(-perMs * horizonMs)));
      return new WindowCurve(horizonsMs, survival, 0);
    });
  });
}

function deviceView(
  index: number,
  pool: number,
  tenants: number,
  curves: readonly (readonly WindowCurve[])[],
  random: SeededRandom,
): DeviceView {
  const uuid = `GPU-${random
    .below(2 ** 31)
    .toString(16)
    .padStart(8, "0")}-${index}`;
  const model = pool % models.length;
  const state = random.next();
  const owner = state < 0.7 ? "idle" : state < 0.95 ? "busy" : "unknown";
  const idleMs = 10_000 * 2 ** (random.next() * Math.log2(8_640));
  const host = `host-${Math.floor(index / devicesPerHost)}`;
  const isLent = owner === "idle" && random.chance(0.2);
  return {
    info: {
      uuid,
      host,
      pool: `pool-${pool}`,
      model: models[model]!,
      index: index % devicesPerHost,
      memoryTotalMib: memoryMib[model]!,
    },
    owner,
    ownerReason: owner === "idle" ? "util_zero" : owner === "busy" ? "util_above_zero" : "stale",
    ownerSinceMs: nowMs - idleMs,
    curve: owner === "idle" ? random.pick(curves[pool]!) : null,
    worthLending: random.chance(0.9),
    leases: isLent ? [lease(index, uuid, host, random.below(tenants), random.chance(0.5) ? 500 : 1000)] : [],
    quarantineReason: null,
    heldBy: random.chance(0.01) ? "held" : null,
    requiredIdleMs: defaults.policy.idleMsMin * (random.chance(0.05) ? 4 : 1),
    memoryUsedByOwnerMib: random.pick([0, 0, 3, 450, 20_000]),
    agentConnected: !random.chance(0.01),
  };
}

function lease(index: number, device: string, host: string, tenant: number, sharePermille: number): Lease {
  return {
    id: `g-live-${index}:1`,
    guestId: `g-live-${index}`,
    tenant: `tenant-${tenant}`,
    attempt: 1,
    host,
    token: { generation: 1, number: index },
    epoch: 1,
    grants: [{ device, sharePermille, memoryMib: 20_000 }],
    trustGroup: `tenant-${tenant}`,
    state: "running",
    lentAtMs: nowMs - 60_000,
    stateSinceMs: nowMs - 50_000,
    step: 2,
  };
}

function waitingGuest(index: number, tenants: number, random: SeededRandom): WaitingGuest {
  const tenant = `tenant-${random.below(tenants)}`;
  const { startMs, noticeMs, retries, evictionsMax } = defaults.guest;
  const spec: GuestSpec = {
    tenant,
    name: `guest-${index}`,
    kind: "batch",
    workload: { kind: "process", command: ["train"], env: {}, workingDir: "" },
    shape: random.pick(shapes),
    priority: random.pick([30, 50, 50, 70]),
    checkpointIntervalMs: random.pick([60_000, 300_000, null]),
    startMs,
    noticeMs,
    durationHintMs: random.chance(0.5) ? random.pick([300_000, 1_800_000, 14_400_000]) : null,
    retries,
    evictionsMax,
    notBeforeMs: null,
    trustGroup: tenant,
    labels: {},
  };
  const workedMs = random.chance(0.3) ? random.below(200_000) : 0;
  return { id: `g-${index}`, sequence: index, spec, waitingSinceMs: 0, evictions: 0, workedMs };
}
