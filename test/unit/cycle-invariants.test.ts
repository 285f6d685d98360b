import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { explainWait } from "../../src/core/cycle-explain.ts";
import { decideCycle, unlentReason, waitReason, type CycleDecisions } from "../../src/core/cycle.ts";
import { gate } from "../../src/core/placement-gate.ts";
import type { ReasonCode } from "../../src/core/reasons.ts";
import type { DeviceView, Snapshot } from "../../src/core/snapshot.ts";
import { anySnapshot, settings } from "../support/snapshots.ts";

function check(holds: (snapshot: Snapshot, decisions: CycleDecisions) => void): void {
  fc.assert(
    fc.property(anySnapshot, (snapshot) => holds(snapshot, decideCycle(snapshot, settings))),
    { numRuns: 1_000 },
  );
}

/** Every grant on a device, of live leases and of this cycle. */
function grantsOn({ info, leases }: DeviceView, { lends }: CycleDecisions) {
  return [...leases.flatMap(({ grants }) => grants), ...lends.flatMap(({ grants }) => grants)].filter(
    (grant) => grant.device === info.uuid,
  );
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe("a cycle of decisions", () => {
  it("I1: shares and memory never exceed the device", () => {
    check((snapshot, decisions) => {
      for (const device of snapshot.devices) {
        const grants = grantsOn(device, decisions);
        if (!decisions.lends.some((lend) => lend.grants.some((grant) => grant.device === device.info.uuid)))
          continue;
        expect(sum(grants.map(({ sharePermille }) => sharePermille))).toBeLessThanOrEqual(1000);
        const memory = sum(grants.map(({ memoryMib }) => memoryMib));
        const total = device.info.memoryTotalMib;
        const used = device.memoryUsedByOwnerMib;
        const reserve = snapshot.pools.get(device.info.pool)?.policy.reserveMemoryMib ?? 0;
        if (total === null || used === null) {
          expect(grants).toHaveLength(1);
          expect(grants[0]).toMatchObject({ sharePermille: 1000, memoryMib: 0 });
        } else expect(memory).toBeLessThanOrEqual(total - reserve - used);
      }
    });
  });

  it("I3: no guest is lent twice, and none that does not wait", () => {
    check(({ guests }, { lends }) => {
      const lent = lends.map(({ guestId }) => guestId);
      expect(new Set(lent).size).toBe(lent.length);
      const waiting = new Set(guests.map(({ id }) => id));
      for (const id of lent) expect(waiting).toContain(id);
    });
  });

  it("I6: only devices whose owner is known to be idle are lent, and only as their pool's policy allows", () => {
    check((snapshot, { lends }) => {
      const byUuid = new Map(snapshot.devices.map((device) => [device.info.uuid, device]));
      for (const { device } of lends.flatMap(({ grants }) => grants)) {
        const view = byUuid.get(device)!;
        expect(view.owner).toBe("idle");
        expect(gate(view, snapshot.pools.get(view.info.pool), snapshot.nowMs)).toBeNull();
      }
    });
  });

  it("I7: every lend carries its reason and the hash of its forecast", () => {
    check((_, { lends }) => {
      for (const lend of lends) {
        expect(lend.reason).toMatch(/fit with chance [01]\.\d\d/);
        expect(lend.forecastHash).not.toBe("");
        expect(lend.chanceFits).toBeGreaterThanOrEqual(settings.fitChanceMin);
      }
    });
  });

  it("lends each guest what it asks for: a gang whole and on one host, a share on one device", () => {
    check((snapshot, { lends }) => {
      const guests = new Map(snapshot.guests.map((guest) => [guest.id, guest]));
      const devices = new Map(snapshot.devices.map(({ info }) => [info.uuid, info]));
      for (const { guestId, grants, host } of lends) {
        const { shape } = guests.get(guestId)!.spec;
        expect(new Set(grants.map(({ device }) => device)).size).toBe(shape.devices);
        for (const grant of grants) {
          const info = devices.get(grant.device)!;
          expect(grant.sharePermille).toBe(shape.sharePermille);
          expect(info.host).toBe(host);
          if (shape.model !== "") expect(info.model).toBe(shape.model);
          if (shape.pools.length > 0) expect(shape.pools).toContain(info.pool);
          if (shape.memoryMib !== null) expect(grant.memoryMib).toBe(shape.memoryMib);
        }
      }
    });
  });

  it("lets only guests of one trust group share a device", () => {
    check((snapshot, { lends }) => {
      const groups = new Map(snapshot.guests.map(({ id, spec }) => [id, spec.trustGroup]));
      for (const { info, leases } of snapshot.devices) {
        const joined = lends.filter(({ grants }) => grants.some(({ device }) => device === info.uuid));
        if (joined.length === 0) continue;
        const trusted = [
          ...leases.map(({ trustGroup }) => trustGroup),
          ...joined.map(({ guestId }) => groups.get(guestId)),
        ];
        expect(new Set(trusted).size).toBe(1);
      }
    });
  });

  it("keeps the largest lent share of each pool and the limit of lends in one cycle", () => {
    check((snapshot, decisions) => {
      expect(decisions.lends.length).toBeLessThanOrEqual(snapshot.limits.lendsMax);
      for (const [name, { policy }] of snapshot.pools) {
        const devices = snapshot.devices.filter(({ info }) => info.pool === name);
        const lent = devices.filter((device) => grantsOn(device, decisions).length > 0).length;
        const before = devices.filter(({ leases }) => leases.length > 0).length;
        expect(lent).toBeLessThanOrEqual(Math.max(before, policy.lentShareMax * devices.length));
      }
    });
  });

  it("decides the same whatever the order of devices, guests and tenants", () => {
    fc.assert(
      fc.property(anySnapshot, fc.integer(), (snapshot, seed) => {
        const shuffled: Snapshot = {
          ...snapshot,
          devices: shuffle(snapshot.devices, seed),
          guests: shuffle(snapshot.guests, seed + 1),
          tenants: shuffle(snapshot.tenants, seed + 2),
        };
        const decisions = decideCycle(snapshot, settings);
        const again = decideCycle(shuffled, settings);
        expect(again.lends).toEqual(decisions.lends);
        expect(reasonsOf(shuffled, again)).toEqual(reasonsOf(snapshot, decisions));
      }),
      { numRuns: 500 },
    );
  });

  it("gives every waiting guest a reason, and every device that is idle and not lent", () => {
    check((snapshot, decisions) => {
      const lent = new Set(decisions.lends.map(({ guestId }) => guestId));
      snapshot.guests.forEach(({ id }, place) => {
        expect(waitReason(decisions, place) === null).toBe(lent.has(id));
      });
      snapshot.devices.forEach((device, place) => {
        const permille = sum(grantsOn(device, decisions).map(({ sharePermille }) => sharePermille));
        expect(unlentReason(decisions, place) !== null).toBe(device.owner === "idle" && permille < 1000);
      });
    });
  });

  it("blocks nobody behind a shape that does not fit: who waits has no device that would fit it", () => {
    check((snapshot, decisions) => {
      snapshot.guests.forEach((guest, place) => {
        const explained = explainWait(snapshot, decisions, guest.id, settings);
        const word = waitReason(decisions, place);
        if (word === null) expect(explained).toBeNull();
        if (word !== "no_device_fits") return;
        expect(explained?.obstacles.map(({ reasonCode }) => reasonCode)).not.toContain("fits");
        expect(sum(explained!.obstacles.map(({ devices }) => devices))).toBe(snapshot.devices.length);
      });
    });
  });
});

function reasonsOf(snapshot: Snapshot, decisions: CycleDecisions): Map<string, ReasonCode | null> {
  return new Map([
    ...snapshot.devices.map(({ info }, place) => [info.uuid, unlentReason(decisions, place)] as const),
    ...snapshot.guests.map(({ id }, place) => [id, waitReason(decisions, place)] as const),
  ]);
}

function shuffle<T>(items: readonly T[], seed: number): T[] {
  return items
    .map((item, index) => ({ item, key: Math.imul(index + 1, seed | 1) ^ Math.imul(seed, 0x9e3779b1) }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
