import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { backtestDevices } from "../../src/backtest/backtest-devices.ts";
import type { Guest } from "../../src/backtest/guests/guest.ts";
import { guestsAtLoad } from "../../src/backtest/guests/guests-at-load.ts";
import type { Guests } from "../../src/backtest/guests/guests.ts";
import { chooseBy, windowOrders, type WindowOrder } from "../../src/backtest/guests/window-order.ts";
import { lendAllDevices } from "../../src/backtest/policies/lend-all.ts";
import { choosePolicy } from "../../src/backtest/policies/registry.ts";
import type { DeviceMoment, DevicePolicy } from "../../src/backtest/policy.ts";
import { playDecisions, replayDevices } from "../../src/backtest/replay/device-replay.ts";
import { replayQueue } from "../../src/backtest/replay/queue-replay.ts";
import { defaultDeviceRules, type DeviceRules } from "../../src/backtest/rules.ts";
import { idleRuns } from "../../src/backtest/score/idle-runs.ts";
import { seeded } from "../../src/backtest/seeded.ts";
import { readDeviceTrace, type DeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { deviceFigures, withDirectory } from "../support/backtest/figures.ts";
import { guestsOf, traceOf, type Line } from "../support/backtest/few-guests.ts";
import { deviceCase, type DeviceCase } from "../support/backtest/random-cases.ts";
import { smallDeviceTrace } from "../support/backtest/small-traces.ts";
import { steadyCurve } from "../support/snapshots.ts";

const seeds = Array.from({ length: 60 }, (_, seed) => seed);
const causal = ["learned", "lend-all", "age:100"];
const owners = { meetingsPerGpuDayMax: null, waitedShareMax: null, seed: 1 };
const nobody = { ran() {}, ended() {} };

function caseTrace({ csv }: DeviceCase, untilS = Infinity): Promise<DeviceTrace> {
  return withDirectory(async (dir) => {
    await writeFile(join(dir, "trace.csv"), csv);
    return readDeviceTrace(join(dir, "trace.csv"), untilS);
  });
}

function policyOf(text: string, rules: DeviceRules): DevicePolicy {
  const { make, argument } = choosePolicy(text, "devices");
  return make!(argument, { rules, ...owners });
}

function play(
  trace: DeviceTrace,
  guests: Guests,
  how: { readonly rules?: DeviceRules; readonly order?: WindowOrder; readonly policy?: DevicePolicy } = {},
) {
  const { rules = defaultDeviceRules, order = "longest_idle", policy = policyOf("lend-all", rules) } = how;
  return replayQueue(trace, rules, policy, guests, chooseBy(order, rules, seeded(1)), () => {}, nobody);
}

function guestsUpTo({ submitS, durationS, checkpointS }: Guests, atS: number): Guests {
  const count = submitS.filter((submittedS) => submittedS <= atS).length;
  return {
    submitS: submitS.slice(0, count),
    durationS: durationS.slice(0, count),
    checkpointS: checkpointS.slice(0, count),
  };
}

/** Guests of a few minutes, one each so many s. */
function someGuests(seed: number, untilS: number, each: number): Guests {
  const random = seeded(seed);
  const lines: Line[] = [];
  for (let atS = 0; atS < untilS; atS += 2 * each * random())
    lines.push([atS, 400 * random(), 60 + Math.round(100 * random())]);
  return guestsOf(...lines);
}

describe("a queue that may be empty", () => {
  it("lends when a guest comes, and takes the device back when its work is done", () => {
    const trace = traceOf({ a: "..........." });
    const { decisions, guests, tally } = play(trace, guestsOf([75, 100]));
    expect(decisions).toEqual([
      { timeS: 75, device: "a", action: "lend", reason: "idle" },
      { timeS: 205, device: "a", action: "vacate", reason: "work_done" },
    ]);
    expect(guests).toMatchObject([
      { starts: 1, evictions: 0, waitedS: 0, doneS: 100, state: { is: "done", atS: 205 } },
    ]);
    expect(tally).toMatchObject({ leases: 1, runningS: 130, usefulS: 100, violations: 0, ignored: 0 });
  });

  it("lends nothing while nobody waits", () => {
    const trace = traceOf({ a: "..........", b: ".x.x......" });
    for (const policy of causal) {
      const { decisions, tally } = play(trace, guestsOf([1e6, 60]), {
        policy: policyOf(policy, defaultDeviceRules),
      });
      expect(decisions, policy).toEqual([]);
      expect(tally.leases, policy).toBe(0);
    }
  });

  it("puts an evicted guest back at its place, without its work since the last checkpoint", () => {
    // Lent at 0; 150 s of work until the owner comes at 180, 120 of them kept; the other device is free at 300.
    const trace = traceOf({ a: "...xxxxxxxxxxx", b: "xxxxx........." });
    const { decisions, guests } = play(trace, guestsOf([0, 200, 60], [100, 50]));
    expect(decisions.map(({ timeS, device, action }) => [timeS, device, action])).toEqual([
      [0, "a", "lend"],
      [300, "b", "lend"],
      [410, "b", "vacate"],
      [420, "b", "lend"],
      [500, "b", "vacate"],
    ]);
    expect(guests).toMatchObject([
      { evictions: 1, starts: 2, doneS: 200, lostS: 30, waitedS: 120, state: { is: "done", atS: 410 } },
      { evictions: 0, starts: 1, doneS: 50, lostS: 0, waitedS: 320, state: { is: "done", atS: 500 } },
    ]);
  });

  it("lets a guest keep all its work where the policy leaves, or sight of the device is lost", () => {
    const leaves: DevicePolicy = {
      *decide({ timeS, guest }) {
        if (timeS === 120 && guest("a") === "running")
          yield { device: "a", action: "vacate", reason: "enough" };
        else if (guest("a") === "none") yield { device: "a", action: "lend", reason: "idle" };
      },
    };
    const { guests } = play(traceOf({ a: "....." }), guestsOf([0, 1_000, 60]), { policy: leaves });
    // 120 s less the start; from 180 to the trace's end at 330 again.
    expect(guests).toMatchObject([{ starts: 2, evictions: 0, doneS: 90 + 120, lostS: 0, waitedS: 60 }]);
    const lost = play(traceOf({ a: "..   ..", b: "xxxxxxx" }), guestsOf([0, 1_000, 60]));
    expect(lost.guests).toMatchObject([
      { starts: 2, evictions: 0, doneS: 120 + 120, lostS: 0, waitedS: 150 },
    ]);
  });

  it("has a paused guest do no work, and gives it back when the pause's budget is spent", () => {
    const rules: DeviceRules = { ...defaultDeviceRules, mode: "pause", pauseBudgetS: 100 };
    const trace = traceOf({ a: "..x.....xxxx.....", b: "xxxxxxxxxxxx....." });
    const { decisions, guests } = play(trace, guestsOf([0, 400, 100]), { rules });
    // 120 s, a minute's pause, 300 s less start and resume: 388 s, of which 300 are kept; evicted at 580, seen a ms later.
    expect(decisions.map(({ timeS, device, action }) => [timeS, device, action])).toEqual([
      [0, "a", "lend"],
      [720, "a", "lend"],
      [850, "a", "vacate"],
    ]);
    expect(guests).toMatchObject([
      { starts: 2, evictions: 1, doneS: 400, lostS: 88, waitedS: 140, state: { is: "done", atS: 850 } },
    ]);
  });

  it("decides as a saturated one does where guests never end and never lack", async () => {
    for (const seed of seeds) {
      const kase = deviceCase(seed);
      const trace = await caseTrace(kase);
      const endless = guestsOf(...Array.from({ length: 500 }, (): Line => [0, 1e9]));
      for (const policy of causal) {
        const saturated = replayDevices(trace, kase.rules, policyOf(policy, kase.rules), () => {});
        const finite = play(trace, endless, { rules: kase.rules, policy: policyOf(policy, kase.rules) });
        const inOrder = (all: typeof finite.decisions) =>
          all.map(({ timeS, device, action, reason }) => `${timeS} ${device} ${action} ${reason}`).toSorted();
        expect(inOrder(finite.decisions), `${policy}, seed ${seed}`).toEqual(inOrder(saturated.decisions));
        expect(finite.tally.netS, `${policy}, seed ${seed}`).toBeCloseTo(saturated.tally.netS, 6);
      }
    }
  });

  it("tells all that happened in its decisions, and loses no work but what evictions took", async () => {
    for (const seed of seeds) {
      const kase = deviceCase(seed);
      const trace = await caseTrace(kase);
      const arrivals = someGuests(seed, trace.timesS.at(-1)! + 200, [50, 300, 2_000][seed % 3]!);
      for (const policy of causal)
        for (const order of windowOrders) {
          const what = `${policy}, ${order}, seed ${seed}`;
          const worked: number[] = [];
          const watch = {
            ran() {},
            ended: ({ runningS, resumes }: { runningS: number; resumes: number }) =>
              worked.push(Math.max(0, runningS - kase.rules.startS - kase.rules.resumeS * resumes)),
          };
          const choose = chooseBy(order, kase.rules, seeded(1));
          const { tally, decisions, guests } = replayQueue(
            trace,
            kase.rules,
            policyOf(policy, kase.rules),
            arrivals,
            choose,
            () => {},
            watch,
          );
          expect(deviceFigures(trace, kase.rules, playDecisions(trace, kase.rules, decisions)), what).toEqual(
            deviceFigures(trace, kase.rules, tally),
          );
          expect(tally.violations + tally.ignored, what).toBe(0);
          expect(
            decisions.map(({ timeS }) => timeS),
            what,
          ).toEqual(decisions.map(({ timeS }) => timeS).toSorted((one, other) => one - other));
          // A lease that is there at the trace's end may have outlasted its guest's work, unseen since the last sample.
          const traceEndS = trace.timesS.at(-1)! + kase.rules.holdS;
          const beyondS = sum(guests, ({ state }) =>
            state.is === "done" && state.atS > trace.timesS.at(-1)! ? traceEndS - state.atS : 0,
          );
          expect(sum(guests, ({ doneS, lostS }) => doneS + lostS) + beyondS, what).toBeCloseTo(
            worked.reduce((total, workS) => total + workS, 0),
            6,
          );
          expect(
            sum(guests, ({ starts }) => starts),
            what,
          ).toBe(tally.leases);
          for (const { doneS, durationS, waitedS, submitS, state, evictions, starts } of guests) {
            expect(doneS, what).toBeLessThanOrEqual(durationS + 1e-6);
            expect(evictions, what).toBeLessThanOrEqual(starts);
            if (state.is === "done") {
              expect(doneS, what).toBe(durationS);
              expect(state.atS - submitS - waitedS, what).toBeGreaterThanOrEqual(durationS - 1e-6);
            }
          }
        }
    }
  });

  it.each(causal)("decides up to a time by what is known by then: %s", async (policy) => {
    for (const seed of seeds.slice(0, 20)) {
      const kase = deviceCase(seed);
      const whole = await caseTrace(kase);
      const cutS = whole.timesS[Math.floor(whole.timesS.length / 2)]!;
      const part = await caseTrace(kase, cutS);
      const all = someGuests(seed, whole.timesS.at(-1)!, 200);
      const drawn = (trace: DeviceTrace) => guestsAtLoad(idleRuns(trace, kase.rules), 0.9, 300, seed);
      const decide = (trace: DeviceTrace, guests: Guests) =>
        backtestDevices(trace, [policy], { rules: kase.rules, ...owners }, () => {}, {
          guests,
          orders: ["useful", "random"],
        }).results;
      for (const [wholeGuests, partGuests] of [
        [all, guestsUpTo(all, cutS)],
        [drawn(whole), drawn(part)],
      ] as const) {
        const wholeResults = decide(whole, wholeGuests);
        for (const [index, { decisions, name }] of decide(part, partGuests).entries())
          expect(decisions, `${name}, seed ${seed}`).toEqual(
            wholeResults[index]!.decisions.filter(({ timeS }) => timeS <= cutS),
          );
      }
    }
  });

  it("tells policies who came and left, so that what they count as met is what was met", async () => {
    for (const seed of seeds) {
      const kase = deviceCase(seed);
      const rules: DeviceRules = { ...kase.rules, mode: "kill" };
      const trace = await caseTrace(kase);
      const running = new Set<string>();
      let met = 0;
      const lendAll = lendAllDevices(null, { rules, ...owners });
      const counting: DevicePolicy = {
        decide(moment) {
          for (const [device, holds] of moment.turnover)
            if (holds) running.add(device);
            else running.delete(device);
          for (const device of running)
            if (moment.guest(device) === "none") {
              running.delete(device);
              met += 1;
            }
          const actions = [...lendAll.decide(moment)];
          for (const { device } of actions) running.add(device);
          return actions;
        },
      };
      const { tally } = play(trace, someGuests(seed, trace.timesS.at(-1)!, 100), { rules, policy: counting });
      const { owner, unknown } = tally.ends;
      // What is lost after the last moment nobody is asked about.
      expect(met, `seed ${seed}`).toBeLessThanOrEqual(owner + unknown);
      expect(met, `seed ${seed}`).toBeGreaterThanOrEqual(owner);
    }
  });

  it("is no meeting to learned that an offer found no guest", () => {
    const trace = smallDeviceTrace(["a", "b", "c", "d"], "p");
    const context = { rules: defaultDeviceRules, ...owners, meetingsPerGpuDayMax: 1 };
    const offers = (see: (moment: DeviceMoment) => DeviceMoment) => {
      const learned = choosePolicy("learned", "devices").make!(null, context);
      let count = 0;
      const policy: DevicePolicy = {
        decide(moment) {
          const actions = [...learned.decide(see(moment))];
          count += actions.filter(({ action }) => action === "lend").length;
          return actions;
        },
      };
      play(trace, guestsOf([1e6, 60]), { policy });
      return count;
    };
    // Not told of it, it thinks that each offer was taken and met, and becomes dear.
    const untold = offers((moment) => ({ ...moment, turnover: new Map() }));
    expect(offers((moment) => moment)).toBeGreaterThan(1.5 * untold);
    expect(untold).toBeGreaterThan(0);
  });
});

describe("which device a guest takes", () => {
  const guest = { durationS: 3_000, checkpointS: 300, doneS: 0 } as Guest;
  /** Owners come back at a constant rate, once in so many s. */
  const curve = (everyS: number) => steadyCurve(1_000 * everyS);
  const curves: Readonly<Record<string, ReturnType<typeof curve>>> = {
    a: curve(100),
    b: curve(5_000),
    c: curve(700),
  };
  const ask = (order: WindowOrder, devices: readonly string[]) =>
    chooseBy(order, defaultDeviceRules, seeded(1))(guest, devices, (device) => curves[device] ?? null);

  it("is the one with the most useful time ahead, or the one that idles longest where nobody knows", () => {
    expect(ask("useful", ["a", "b", "c"])).toBe("b");
    expect(ask("useful", ["a"])).toBe("a");
    expect(ask("useful", ["?", "a"])).toBe("a");
    expect(ask("useful", ["?", "!"])).toBe("?");
    expect(ask("longest_idle", ["c", "b"])).toBe("c");
  });

  it("is none where the guest does not fit, if fit is asked for", () => {
    expect(ask("fit", ["a", "b", "c"])).toBe("b");
    expect(ask("fit", ["a", "?"])).toBeNull();
  });

  it("is any at random, each as often", () => {
    const choose = chooseBy("random", defaultDeviceRules, seeded(7));
    const taken = Array.from({ length: 3_000 }, () => choose(guest, ["a", "b", "c"], () => null));
    for (const device of ["a", "b", "c"])
      expect(taken.filter((found) => found === device).length / 3_000).toBeCloseTo(1 / 3, 1);
  });

  it("lets a guest for which a window is long enough go before one at whose head it is too short", () => {
    const trace = traceOf({ a: "........" });
    const policy: DevicePolicy = { ...policyOf("lend-all", defaultDeviceRules), curve: () => curve(1_000) };
    const { decisions, guests } = play(trace, guestsOf([0, 3_000, 2_000], [0, 60]), { policy, order: "fit" });
    expect(decisions[0]).toMatchObject({ timeS: 0, action: "lend" });
    expect(guests.map(({ starts }) => starts)).toEqual([0, 1]);
  });

  it("is told of in the name of each result, and what a policy cannot rank by is played once", () => {
    const trace = smallDeviceTrace(["a", "b", "c"], "p", 60);
    const queue = { guests: guestsOf([0, 600]), orders: ["useful", "longest_idle", "random"] as const };
    const context = { rules: defaultDeviceRules, ...owners };
    const { results } = backtestDevices(trace, ["learned", "lend-all"], context, () => {}, queue);
    expect(results.map(({ name }) => name)).toEqual([
      "learned, useful",
      "learned, longest idle",
      "learned, random",
      "lend-all, longest idle",
      "lend-all, random",
    ]);
    expect(() => backtestDevices(trace, ["clairvoyant"], context, () => {}, queue)).toThrow("never empty");
  });
});

function sum(guests: readonly Guest[], of: (guest: Guest) => number): number {
  return guests.reduce((total, guest) => total + of(guest), 0);
}
