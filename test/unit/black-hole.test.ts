import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlackHoleWatch } from "../../src/core/black-hole.ts";
import type { AttemptOutcome } from "../../src/core/lease.ts";

const settings = { failuresMax: 3, failedWithinMs: 10_000, forMs: 60_000 };
const hostOf = (device: string) => device.slice(0, 1);

/** Devices are named host first: a1 and a2 are on host a. Guests are named tenant first: x1 is of tenant x. */
class Fleet {
  readonly watch = new BlackHoleWatch(settings);

  #attempt(guestId: string, device: string) {
    return { device, host: hostOf(device), tenant: guestId.slice(0, 1), guestId };
  }

  begins(guestId: string, device: string, atMs: number): void {
    this.watch.began(this.#attempt(guestId, device), atMs);
  }

  ends(guestId: string, device: string, outcome: AttemptOutcome, workedMs: number, atMs: number) {
    const rest = { exitCode: 1, exitSignal: "", checkpointAgeMs: null, vacateMs: null };
    const settlement = { outcome, workedMs, usefulMs: 0, lostMs: workedMs, ...rest };
    return this.watch.ended(this.#attempt(guestId, device), settlement, atMs);
  }

  fails(guestId: string, device: string, atMs: number): string | null {
    this.begins(guestId, device, atMs);
    return this.ends(guestId, device, "failed", 0, atMs);
  }
}

describe("a device on which guests keep failing at once", () => {
  it("is blamed when guests of different tenants fail there, and says so", () => {
    const fleet = new Fleet();
    expect(fleet.fails("x1", "a1", 0)).toBeNull();
    expect(fleet.fails("x2", "a1", 1)).toBeNull();
    expect(fleet.fails("y1", "a1", 2)).toBe(
      "3 guests of 2 tenants failed within 10000 ms of their start and none ran well between them; " +
        "meanwhile guests of the same tenants ran well on 0 other devices and failed so on 0 of other hosts",
    );
  });

  it("is blamed when its one tenant's guests run well elsewhere meanwhile, once they ran for long enough", () => {
    const fleet = new Fleet();
    fleet.fails("x1", "a1", 0);
    fleet.begins("x2", "a2", 1);
    fleet.fails("x3", "a1", 2);
    expect(fleet.fails("x4", "a1", 10_001)).toBeNull();
    expect(fleet.fails("x5", "a1", 10_002)).toMatch(
      /^3 guests of one tenant failed .* ran well on 1 other devices and failed so on 0 of other hosts$/,
    );
  });

  it("is not blamed for a tenant of which nothing else is known, or only what was before", () => {
    const fleet = new Fleet();
    fleet.begins("x0", "b1", 0);
    for (let guest = 1; guest < 50; guest++) expect(fleet.fails(`x${guest}`, "a1", 30_000)).toBeNull();
  });

  it("is not blamed for one guest that fails again and again", () => {
    const fleet = new Fleet();
    fleet.begins("x2", "b1", 1);
    for (let attempt = 0; attempt < 50; attempt++)
      expect(fleet.fails("x1", "a1", attempt * 1_000)).toBeNull();
  });

  it("is not blamed for tenants whose guests fail on other hosts too", () => {
    const fleet = new Fleet();
    fleet.fails("x0", "b1", 0);
    fleet.fails("y0", "c1", 0);
    for (const device of ["a1", "a2", "b1", "c1", "d1"])
      for (const guest of ["x1", "y1", "x2", "y2"]) expect(fleet.fails(guest, device, 0)).toBeNull();
  });

  it("is blamed with its whole host, whose other devices do not excuse it", () => {
    const fleet = new Fleet();
    for (const guest of ["x1", "x2", "y1"])
      for (const device of ["a1", "a2"]) expect(fleet.fails(guest, device, 0) !== null).toBe(guest === "y1");
  });

  it("is blamed beside another broken host, as long as most devices do well", () => {
    const fleet = new Fleet();
    fleet.fails("x1", "b1", 0);
    fleet.fails("x2", "a1", 0);
    fleet.fails("x3", "a1", 0);
    fleet.begins("x4", "c1", 1);
    expect(fleet.fails("x5", "a1", 20_000)).toBeNull();
    fleet.begins("x6", "c2", 20_001);
    expect(fleet.fails("x7", "a1", 40_000)).toMatch(/ran well on 2 other devices and failed so on 1 of/);
  });

  it("is not blamed for guests that worked for a while first, nor for those that were made to leave", () => {
    const fleet = new Fleet();
    for (const guest of ["x1", "y1", "z1", "x2"]) {
      expect(fleet.ends(guest, "a1", "failed", 10_001, 0)).toBeNull();
      expect(fleet.ends(guest, "a1", "evicted", 5, 0)).toBeNull();
    }
  });

  it("begins anew once a guest ran well there, once the failures are old, and once it was blamed", () => {
    const fleet = new Fleet();
    fleet.fails("x1", "a1", 0);
    fleet.fails("y1", "a1", 0);
    fleet.ends("x2", "a1", "done", 5, 0);
    expect(fleet.fails("z1", "a1", 1)).toBeNull();
    expect(fleet.fails("y2", "a1", 59_000)).toBeNull();
    expect(fleet.fails("x3", "a1", 60_002)).toBeNull();
    expect(fleet.fails("z2", "a1", 60_003)).not.toBeNull();
    expect(fleet.fails("y3", "a1", 60_004)).toBeNull();
  });

  it("I11: is forgotten first where more devices fail than are followed", () => {
    const fleet = new Fleet();
    fleet.fails("x1", "first", 0);
    fleet.fails("y1", "first", 0);
    for (let device = 0; device < 100_000; device++) fleet.fails("x1", `f${device}`, 1);
    expect(fleet.fails("z1", "first", 2)).toBeNull();
  });
});

const device = fc.constantFrom("a1", "a2", "b1", "b2", "c1", "d1");
const tenant = fc.constantFrom("x", "y", "z");

/** Guests one after the other: where each lands, whose it is, how long until the next. */
const landings = fc.array(fc.record({ device, tenant, thenMs: fc.nat(15_000) }), { maxLength: 120 });

describe("the judgement, for every order of events", () => {
  it("never blames a device for a batch of one tenant that fails wherever it lands, whatever others do beside it", () => {
    fc.assert(
      fc.property(landings, (script) => {
        const fleet = new Fleet();
        let atMs = 0;
        for (const [index, { device: lands, tenant: whose, thenMs }] of script.entries()) {
          const guest = `${whose}${index}`;
          if (whose === "x") expect(fleet.fails(guest, lands, atMs)).toBeNull();
          else {
            fleet.begins(guest, lands, atMs);
            expect(fleet.ends(guest, lands, "done", thenMs, atMs + thenMs)).toBeNull();
          }
          atMs += thenMs;
        }
      }),
    );
  });

  it("blames no sound device beside a broken one, and the broken one only for different guests in a row", () => {
    fc.assert(
      fc.property(landings, (script) => {
        const fleet = new Fleet();
        let atMs = 0;
        let inARow = 0;
        for (const [index, { device: lands, tenant: whose, thenMs }] of script.entries()) {
          const guest = `${whose}${index}`;
          if (lands !== "a1") {
            fleet.begins(guest, lands, atMs);
            expect(fleet.ends(guest, lands, "evicted", thenMs, atMs + thenMs)).toBeNull();
          } else {
            inARow += 1;
            if (fleet.fails(guest, lands, atMs) !== null) {
              expect(inARow).toBeGreaterThanOrEqual(settings.failuresMax);
              inARow = 0;
            }
          }
          atMs += thenMs;
        }
      }),
    );
  });

  it("I11: a broken device swallows few guests while others of the same tenants begin to run elsewhere", () => {
    fc.assert(
      fc.property(fc.array(tenant, { minLength: 40, maxLength: 40 }), fc.nat(2_000), (tenants, apartMs) => {
        const fleet = new Fleet();
        let swallowed = 0;
        for (const [index, whose] of tenants.entries()) {
          const atMs = index * (apartMs + 1_000);
          swallowed += 1;
          if (fleet.fails(`${whose}${index}`, "a1", atMs) !== null) break;
          fleet.begins(`${whose}w${index}`, `b${index % 5}`, atMs);
        }
        // Of three tenants at most the first ten seconds' guests, and three of each.
        expect(swallowed).toBeLessThanOrEqual(14);
      }),
    );
  });
});
