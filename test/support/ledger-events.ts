import fc from "fast-check";
import type { LedgerEvent, Settlement } from "../../src/core/ledger-event.ts";
import type { LeaseState } from "../../src/core/lease.ts";
import type { LedgerEntry } from "../../src/report/books.ts";

/** Events as no sane controller writes them: late, repeated, out of order, of unknown devices and leases. */
export const deviceIds = ["gpu-0", "gpu-1", "gpu-2"];
const device = fc.constantFrom(...deviceIds, "gpu-unknown");
const lease = fc.constantFrom("g1:1", "g2:1", "g3:1", "g4:1", "g5:1");
const atMs = fc.integer({ min: 0, max: 20_000_000 });
const states: LeaseState[] = [
  "starting",
  "running",
  "paused",
  "vacating",
  "killing",
  "released",
  "quarantined",
];

export function settlementOf(workedMs: number, lostMs: number): Settlement {
  return {
    outcome: "evicted",
    exitCode: null,
    exitSignal: "SIGKILL",
    checkpointAgeMs: lostMs,
    workedMs,
    vacateMs: null,
    usefulMs: workedMs - lostMs,
    lostMs,
  };
}

export function deviceEvent(uuid: string, atMs: number): LedgerEvent {
  const info = {
    uuid,
    host: "h1",
    pool: uuid === "gpu-2" ? "b" : "a",
    model: "H100",
    index: 0,
    memoryTotalMib: null,
  };
  return { type: "device", atMs, owner: "research", device: info };
}

export function ownerEvent(atMs: number, state: "busy" | "idle" | "unknown", device = "gpu-0"): LedgerEvent {
  return { type: "owner", atMs, device, state, reason: "seen" };
}

export function lentEvent(atMs: number, leaseId = "g1:1", device = "gpu-0", tenant = "red"): LedgerEvent {
  return {
    type: "lent",
    atMs,
    leaseId,
    guestId: leaseId.split(":")[0]!,
    tenant,
    attempt: 1,
    grants: [{ device, sharePermille: 1_000, memoryMib: 1 }],
    reason: "",
    forecastHash: "",
  };
}

/** As entries of the stream, one after the other. */
export function entriesOf(events: readonly LedgerEvent[], first = 1): LedgerEntry[] {
  return events.map((event, index) => ({ id: `${first + index}-0`, event }));
}

export const anyLedgerEvent: fc.Arbitrary<LedgerEvent> = fc.oneof(
  fc.record({ atMs, uuid: fc.constantFrom(...deviceIds) }).map(({ atMs, uuid }) => deviceEvent(uuid, atMs)),
  fc.record({
    type: fc.constant("owner" as const),
    atMs,
    device,
    state: fc.constantFrom("busy" as const, "idle" as const, "unknown" as const),
    reason: fc.constantFrom("util_above_zero", "stale"),
  }),
  fc.record({
    type: fc.constant("unlent" as const),
    atMs,
    device,
    reason: fc.constantFrom("hold", "no_guest"),
  }),
  fc.record({
    type: fc.constant("lent" as const),
    atMs,
    leaseId: lease,
    guestId: fc.constant("g1"),
    tenant: fc.constantFrom("red", "blue"),
    attempt: fc.constant(1),
    grants: fc.array(
      fc.record({ device, sharePermille: fc.integer({ min: 1, max: 1_000 }), memoryMib: fc.constant(1) }),
      { minLength: 1, maxLength: 3 },
    ),
    reason: fc.constant(""),
    forecastHash: fc.constant(""),
  }),
  fc
    .record({
      atMs,
      leaseId: lease,
      state: fc.constantFrom(...states),
      lostMs: fc.integer({ min: 0, max: 30_000_000 }),
    })
    .map(({ atMs, leaseId, state, lostMs }) => ({
      type: "step" as const,
      atMs,
      leaseId,
      state,
      mover: "activity" as const,
      detail: "",
      signalToStepMs: null,
      recallId: "",
      settlement: settlementOf(lostMs, lostMs),
    })),
  fc.record({
    type: fc.constant("quarantine" as const),
    atMs,
    device,
    reason: fc.constantFrom("memory_not_freed", null),
  }),
  fc.record({ type: fc.constant("alive" as const), atMs }),
  fc.record({ type: fc.constant("outage" as const), atMs, sinceMs: atMs }),
);

/** Mostly forward in time, so that stretches are of all lengths, with a late event now and then. */
export const anyLedger: fc.Arbitrary<LedgerEvent[]> = fc
  .array(fc.tuple(anyLedgerEvent, fc.integer({ min: 0, max: 5_000_000 }), fc.integer({ min: 0, max: 9 })), {
    maxLength: 60,
    size: "max",
  })
  .map((steps) => {
    let nowMs = 0;
    const later = steps.map(([event, passedMs, late]) => {
      nowMs += passedMs;
      return late === 0 ? event : { ...event, atMs: nowMs };
    });
    const devices: LedgerEvent[] = [deviceEvent("gpu-0", 0), deviceEvent("gpu-1", 0)];
    return devices.concat(later);
  });
