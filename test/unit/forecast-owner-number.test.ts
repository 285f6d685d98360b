import { describe, expect, it } from "vitest";
import { backtestDevices } from "../../src/backtest/backtest-devices.ts";
import { defaultDeviceRules, type RecallMode } from "../../src/backtest/rules.ts";
import { playHeld, type Meetings } from "../support/held-number.ts";
import { ownerFleet, type Mishaps } from "../support/owner-fleet.ts";

/** When what is injected begins. */
const fromHour = 12;
const hours = 26;
const numbers: Readonly<Record<RecallMode, number>> = { kill: 20, pause: 40 };

/** Meetings a GPU-day, in parts of the number. */
function play(mode: RecallMode, mishaps: Mishaps) {
  const max = numbers[mode];
  const meetings: Meetings = playHeld(ownerFleet({ devices: 12, hours, seed: 7, ...mishaps }), mode, max);
  return {
    from: (hour: number) => meetings.perGpuDay(hour) / max,
    mostIn: (span: number) => meetings.mostPerGpuDay(span) / max,
    heldAfter: meetings.hoursUntilHeld(max, fromHour),
  };
}

function within(share: number): void {
  expect(share).toBeGreaterThan(0.9);
  expect(share).toBeLessThan(1.1);
}

const isDeploying = (hour: number) => hour % 24 >= 10 && hour % 24 < 10 + 1 / 3;

describe.each(["kill", "pause"] as const)("the owner's number in %s mode", (mode) => {
  it.each<[string, Mishaps]>([
    ["as always", {}],
    ["in bursts", { burstChance: (minute) => (minute > fromHour * 60 && minute % 90 < 2 ? 0.5 : 0) }],
    ["again and again in a deploy, the next day at the same hour too", { isDeploying }],
  ])("is held when owners come %s", (_, mishaps) => {
    const { from, mostIn } = play(mode, mishaps);
    within(from(0));
    expect(mostIn(24)).toBeLessThan(1.1);
  });

  it("is not exceeded when owners come four times as seldom", () => {
    const { mostIn } = play(mode, { hazardFactor: (hour) => (hour < fromHour ? 1 : 1 / 4) });
    expect(mostIn(24)).toBeLessThan(1.1);
    expect(mostIn(6)).toBeLessThan(1.25);
  });
});

describe("the learned policy in pause mode", () => {
  it("reckons with the pauses that outlast their budget: where most do, it lends as if owners ended guests", () => {
    const trace = ownerFleet({ devices: 12, hours: 12, seed: 7 });
    const rules = { ...defaultDeviceRules, mode: "pause", pauseBudgetS: 30 } as const;
    const context = { rules, meetingsPerGpuDayMax: null, waitedShareMax: null, seed: 1 };
    const { results } = backtestDevices(trace, ["learned", "learned:340", "lend-all"], context);
    const [learned, dear, all] = results.map(({ tally }) => tally.netS) as [number, number, number];
    expect(learned).toBeGreaterThan(0.95 * dear);
    expect(dear).toBeGreaterThan(all + 3_600);
  });
});

describe("the owner's number", () => {
  it("is held when owners come four times as often, though six hours may make up for the first ones", () => {
    const { from, mostIn, heldAfter } = play("pause", {
      hazardFactor: (hour) => (hour < fromHour ? 1 : 4),
    });
    within(from(0));
    within(from(fromHour));
    expect(mostIn(24)).toBeLessThan(1.1);
    expect(mostIn(6)).toBeLessThan(1.5);
    expect(heldAfter).toBeLessThan(13);
  });

  it("is held while a pool is not seen for an hour", () => {
    const isLost = (device: number, hour: number) =>
      device % 2 === 0 && hour >= fromHour && hour < fromHour + 1;
    within(play("pause", { isLost }).from(0));
  });

  it("is held while one device falls silent", () => {
    within(play("kill", { isLost: (device, hour) => device === 3 && hour >= fromHour }).from(0));
  });

  it("is held while every fifth reading is lost: that ends guests, and no owner met them", () => {
    const isLost = (_device: number, _hour: number, random: () => number) => random() < 0.2;
    within(play("kill", { isLost }).from(0));
  });

  it("is held where lost readings pause guests and count as meetings", () => {
    const isLost = (_device: number, _hour: number, random: () => number) => random() < 0.2;
    const { from, mostIn } = play("pause", { isLost });
    within(from(0));
    within(from(fromHour));
    expect(mostIn(24)).toBeLessThan(1.1);
  });
});
