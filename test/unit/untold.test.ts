import { expect, it } from "vitest";
import { Account } from "../../src/core/account.ts";
import type { LedgerEvent, StandingEvent } from "../../src/core/ledger-event.ts";
import type { LeaseState } from "../../src/core/lease.ts";
import { Untold } from "../../src/report/untold.ts";
import { deviceEvent } from "../support/ledger-events.ts";

type Standable = NonNullable<StandingEvent["event"]>;

const lent: Standable = {
  type: "lent",
  atMs: 1,
  leaseId: "g:1",
  guestId: "g",
  tenant: "t",
  attempt: 1,
  grants: [{ device: "gpu-0", sharePermille: 1_000, memoryMib: 0 }],
  reason: "",
  forecastHash: "",
};
const step = (state: LeaseState): Standable => ({
  type: "step",
  atMs: 2,
  leaseId: "g:1",
  state,
  mover: "controller",
  detail: "",
  signalToStepMs: null,
  recallId: "",
  settlement: null,
});
const told = (event: Standable | null, wishes = ["mine"]): StandingEvent => ({
  type: "standing",
  atMs: 3,
  wishes,
  event,
});

/** The books that read the events in this order. */
function read(...events: readonly (LedgerEvent | StandingEvent)[]): Account {
  const account = new Account();
  const untold = new Untold("mine");
  account.apply(deviceEvent("gpu-0", 0));
  for (const event of events) for (const each of untold.read(event, account)) account.apply(each);
  return account;
}

it("takes what is told to it, and nothing that is told to others", () => {
  expect(read(told(lent), told(step("running"))).leases.get("g:1")).toMatchObject({ state: "running" });
  expect(read(told(lent, ["another's"])).leases.size).toBe(0);
  const untold = new Untold("mine");
  expect([told(null), told(null, ["another's"]), told(lent)].map((event) => untold.endsWith(event))).toEqual([
    true,
    false,
    false,
  ]);
});

it("I8: what it read of a lease or a quarantine is newer than what it is told of it afterwards", () => {
  const paused = read(step("paused"), told(lent), told(step("running")));
  expect(paused.leases.get("g:1")).toMatchObject({ state: "paused" });
  expect(read(step("released"), told(lent), told(step("running"))).leases.size).toBe(0);
  expect(read(lent, step("paused"), told(lent)).leases.get("g:1")).toMatchObject({ state: "paused" });
  const quarantine = (reason: string | null): Standable => ({
    type: "quarantine",
    atMs: 2,
    device: "gpu-0",
    reason,
  });
  const lifted = read(quarantine(null), told(quarantine("hot")));
  expect(lifted.devices.get("gpu-0")).toMatchObject({ quarantine: null });
});
