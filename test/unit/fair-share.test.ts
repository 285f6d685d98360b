import fc from "fast-check";
import { expect, it } from "vitest";
import { decideCycle } from "../../src/core/cycle.ts";
import { device, guest, settings, snapshot } from "../support/snapshots.ts";

const tickMs = 60_000;

/** Tenants with more guests than can ever run, on a few devices that come free again after a while; device-ms each one got. */
function simulate(weights: readonly number[], runTicks: number): number[] {
  const got = weights.map(() => 0);
  const running: { tenant: number; untilTick: number }[] = [];
  const uuids = Array.from({ length: 8 }, (_, index) => `GPU-${index}`);
  for (let tick = 0; tick < 400; tick++) {
    for (let i = running.length - 1; i >= 0; i--) if (running[i]!.untilTick <= tick) running.splice(i, 1);
    const { lends } = decideCycle(
      snapshot({
        devices: uuids.slice(running.length).map((uuid) => device(uuid)),
        guests: weights.flatMap((_, tenant) =>
          uuids.map((uuid, sequence) =>
            guest(`${tenant}-${tick}-${uuid}`, { tenant: `tenant-${tenant}`, sequence }),
          ),
        ),
        tenants: weights.map((weight, tenant) => ({
          tenant: `tenant-${tenant}`,
          weight,
          usedDeviceMs: got[tenant]!,
        })),
      }),
      settings,
    );
    lends.forEach(({ guestId }, index) =>
      running.push({ tenant: Number(guestId.split("-")[0]), untilTick: tick + runTicks + (index % 3) }),
    );
    for (const { tenant } of running) got[tenant]! += tickMs;
  }
  return got;
}

it("gives tenants device time by their weights in the long run", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 }),
      fc.integer({ min: 1, max: 6 }),
      (weights, runTicks) => {
        const got = simulate(weights, runTicks);
        const all = got.reduce((total, ms) => total + ms, 0);
        const weightSum = weights.reduce((total, weight) => total + weight, 0);
        expect(all).toBeGreaterThanOrEqual(0.99 * 400 * 8 * tickMs);
        got.forEach((ms, tenant) => expect(ms / all).toBeCloseTo(weights[tenant]! / weightSum, 1));
        got.forEach((ms, tenant) =>
          expect(Math.abs(ms / all - weights[tenant]! / weightSum)).toBeLessThan(0.03),
        );
      },
    ),
    { numRuns: 20 },
  );
});
