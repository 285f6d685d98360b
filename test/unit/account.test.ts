import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Account, type Loss, type Posting } from "../../src/core/account.ts";
import type { LedgerEvent } from "../../src/core/ledger-event.ts";
import type { LeaseState, Mover } from "../../src/core/lease.ts";
import type { OwnerState } from "../../src/core/device.ts";
import { anyLedger, deviceEvent, settlementOf } from "../support/ledger-events.ts";

const units = (posting: Posting) => (posting.toMs - posting.fromMs) * posting.permille;

/** `category/reason/tenant` → device-µs, of one device. */
function totalsOf(account: Account, postings: readonly Posting[], device: string, asOfMs: number) {
  const totals: Record<string, number> = {};
  for (const posting of [...postings, ...account.open(asOfMs)].filter((each) => each.device === device)) {
    const key = [posting.category, posting.reason, posting.tenant].filter((word) => word !== "").join("/");
    totals[key] = (totals[key] ?? 0) + units(posting);
  }
  return totals;
}

function book(events: readonly LedgerEvent[], account = new Account()) {
  const postings: Posting[] = [];
  const losses: Loss[] = [];
  for (const event of events) {
    const entry = account.apply(event);
    postings.push(...entry.postings);
    losses.push(...entry.losses);
  }
  const last = Math.max(0, ...events.map(({ atMs }) => atMs));
  return { account, postings, losses, last };
}

const owner = (atMs: number, state: OwnerState, device = "gpu-0"): LedgerEvent => ({
  type: "owner",
  atMs,
  device,
  state,
  reason: state === "unknown" ? "stale" : "seen",
});
const lent = (atMs: number, sharePermille = 1_000, leaseId = "g1:1", devices = ["gpu-0"]): LedgerEvent => ({
  type: "lent",
  atMs,
  leaseId,
  guestId: "g1",
  tenant: "red",
  attempt: 1,
  grants: devices.map((device) => ({ device, sharePermille, memoryMib: 1 })),
  reason: "",
  forecastHash: "",
});
const step = (atMs: number, state: LeaseState, lostMs = 0, leaseId = "g1:1"): LedgerEvent => ({
  type: "step",
  atMs,
  leaseId,
  state,
  mover: "activity" satisfies Mover,
  detail: "proof_failed",
  signalToStepMs: null,
  recallId: "",
  settlement: state === "released" || state === "quarantined" ? settlementOf(lostMs, lostMs) : null,
});

describe("the account of a device", () => {
  it("I8: follows a loan from idle to released, each ms once", () => {
    const { account, postings } = book([
      deviceEvent("gpu-0", 0),
      owner(10, "idle"),
      { type: "unlent", atMs: 20, device: "gpu-0", reason: "no_guest" },
      lent(50),
      step(60, "running"),
      owner(100, "busy"),
      step(103, "paused"),
      owner(150, "idle"),
      step(170, "running"),
      step(200, "vacating"),
      step(230, "released"),
    ]);
    expect(totalsOf(account, postings, "gpu-0", 250)).toEqual({
      "unknown/not_seen": 10_000,
      "idle_unlent/undecided": 10_000,
      "idle_unlent/no_guest": 50_000, // 20–50 and 230–250
      "starting/red": 10_000,
      "useful/red": 70_000, // 60–100 and 170–200
      "handing_back/red": 33_000, // the owner waits 100–103; vacating 200–230
      owner_busy: 47_000,
      "paused/red": 20_000,
    });
  });

  it("I8: books a share to the lease and the rest of an idle device as a fragment", () => {
    const { account, postings } = book([
      deviceEvent("gpu-0", 0),
      owner(0, "idle"),
      lent(0, 300),
      step(0, "running"),
    ]);
    expect(totalsOf(account, postings, "gpu-0", 10)).toEqual({
      "useful/red": 3_000,
      "idle_unlent/fragment": 7_000,
    });
  });

  it("books the rest of a shared device to its owner while the owner works", () => {
    const { account, postings } = book([
      deviceEvent("gpu-0", 0),
      owner(0, "busy"),
      lent(0, 300),
      step(0, "running"),
    ]);
    expect(totalsOf(account, postings, "gpu-0", 10)).toEqual({
      "handing_back/red": 3_000,
      owner_busy: 7_000,
    });
  });

  it("quarantine outranks everything until it is lifted", () => {
    const { account, postings } = book([
      deviceEvent("gpu-0", 0),
      owner(0, "idle"),
      lent(0),
      step(0, "running"),
      { type: "quarantine", atMs: 10, device: "gpu-0", reason: "proof_failed" },
      step(10, "quarantined"),
      owner(20, "busy"),
      { type: "quarantine", atMs: 30, device: "gpu-0", reason: null },
    ]);
    expect(totalsOf(account, postings, "gpu-0", 40)).toEqual({
      "useful/red": 10_000,
      "quarantined/proof_failed": 20_000,
      owner_busy: 10_000,
    });
  });

  it("a lease's loss is counted on each of its devices and never exceeds what was useful there", () => {
    const { losses } = book([
      deviceEvent("gpu-0", 0),
      deviceEvent("gpu-1", 0),
      owner(0, "idle"),
      owner(0, "idle", "gpu-1"),
      lent(0, 1_000, "g1:1", ["gpu-0", "gpu-1"]),
      step(0, "running"),
      owner(40, "busy", "gpu-1"),
      step(100, "released", 70),
    ]);
    expect(losses).toEqual([
      { device: "gpu-0", leaseId: "g1:1", lostMs: 70 },
      { device: "gpu-1", leaseId: "g1:1", lostMs: 40 },
    ]);
  });

  it("an outage makes unlent devices unknown and leaves lent ones as they were", () => {
    const { account, postings } = book([
      deviceEvent("gpu-0", 0),
      deviceEvent("gpu-1", 0),
      owner(0, "idle"),
      owner(0, "idle", "gpu-1"),
      lent(0),
      step(0, "running"),
      { type: "outage", atMs: 50, sinceMs: 20 },
    ]);
    expect(totalsOf(account, postings, "gpu-0", 60)).toEqual({ "useful/red": 60_000 });
    expect(totalsOf(account, postings, "gpu-1", 60)).toEqual({
      "idle_unlent/undecided": 30_000, // 0–20 and 50–60
      "unknown/outage": 30_000,
    });
  });

  it("an event that comes late counts from where the device is booked", () => {
    const { account, postings } = book([deviceEvent("gpu-0", 0), owner(100, "idle"), owner(40, "busy")]);
    expect(totalsOf(account, postings, "gpu-0", 120)).toEqual({
      "unknown/not_seen": 100_000,
      owner_busy: 20_000,
    });
  });

  it("repeating what is known posts nothing", () => {
    const { account } = book([deviceEvent("gpu-0", 0), owner(10, "idle")]);
    expect(account.apply(owner(20, "idle")).postings).toEqual([]);
    expect(account.apply(deviceEvent("gpu-0", 30)).postings).toEqual([]);
  });

  it("I8: whatever is written, each device's categories sum to its elapsed time exactly", () => {
    fc.assert(
      fc.property(anyLedger, fc.nat(1_000_000), (events, laterMs) => {
        const { account, postings, last } = book(events);
        const asOfMs = last + laterMs;
        for (const { uuid, beganMs } of account.devices.values()) {
          const amounts = Object.values(totalsOf(account, postings, uuid, asOfMs));
          expect(amounts.every((amount) => Number.isInteger(amount) && amount > 0)).toBe(true);
          expect(amounts.reduce((sum, amount) => sum + amount, 0)).toBe((asOfMs - beganMs) * 1_000);
        }
      }),
    );
  });

  it("what is lost was booked as useful for the same lease on the same device", () => {
    fc.assert(
      fc.property(anyLedger, (events) => {
        const account = new Account();
        const usefulMs = new Map<string, number>();
        for (const event of events) {
          const entry = account.apply(event);
          for (const { device, leaseId, fromMs, toMs, category } of entry.postings) {
            const key = `${leaseId} ${device}`;
            if (category === "useful") usefulMs.set(key, (usefulMs.get(key) ?? 0) + toMs - fromMs);
          }
          for (const { device, leaseId, lostMs } of entry.losses) {
            const key = `${leaseId} ${device}`;
            expect(lostMs).toBeGreaterThan(0);
            expect(lostMs).toBeLessThanOrEqual(usefulMs.get(key) ?? 0);
            usefulMs.set(key, usefulMs.get(key)! - lostMs);
          }
        }
      }),
    );
  });

  it("saved and restored anywhere, it books the same", () => {
    fc.assert(
      fc.property(anyLedger, fc.nat(60), (events, cut) => {
        const whole = book(events);
        const first = book(events.slice(0, cut));
        const saved = structuredClone({
          devices: [...first.account.devices.values()],
          leases: [...first.account.leases.values()],
        });
        const second = book(events.slice(cut), new Account(saved));
        expect([...first.postings, ...second.postings]).toEqual(whole.postings);
        expect([...first.losses, ...second.losses]).toEqual(whole.losses);
        expect([...second.account.open(whole.last)]).toEqual([...whole.account.open(whole.last)]);
      }),
    );
  });

  it("says which devices and leases to save again", () => {
    fc.assert(
      fc.property(anyLedger, (events) => {
        const account = new Account();
        for (const event of events) {
          const before = structuredClone({
            devices: new Map(account.devices),
            leases: new Map(account.leases),
          });
          const entry = account.apply(event);
          const changed = <T>(was: ReadonlyMap<string, T>, is: ReadonlyMap<string, T>) =>
            [...new Set([...was.keys(), ...is.keys()])].filter(
              (key) => JSON.stringify(was.get(key)) !== JSON.stringify(is.get(key)),
            );
          expect(entry.devices).toEqual(expect.arrayContaining(changed(before.devices, account.devices)));
          expect(entry.leases).toEqual(expect.arrayContaining(changed(before.leases, account.leases)));
        }
      }),
      { numRuns: 50 },
    );
  });
});
