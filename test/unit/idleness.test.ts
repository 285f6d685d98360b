import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Sample } from "../../src/core/device.ts";
import { classify, OwnerTracker } from "../../src/core/idleness.ts";

const staleMs = 45_000;
const nowMs = 1_000_000;
const alone = { nowMs, staleMs, leased: false };

function sample(part: Partial<Sample> = {}): Sample {
  return {
    device: "GPU-1",
    atMs: nowMs,
    attribution: "owner",
    utilPct: 0,
    engineActiveRatio: 0,
    memoryUsedMib: 24_000,
    memoryFreeMib: 25_152,
    ownerProcesses: 1,
    pod: "team/server-0",
    ...part,
  };
}

describe("classify", () => {
  it("says idle only where utilisation was read and every signal is quiet", () => {
    expect(classify(sample(), alone)).toEqual({ state: "idle", reason: "all_signals_zero" });
  });

  it("takes any utilisation above 0 for the owner, however small", () => {
    expect(classify(sample({ utilPct: 0.01 }), alone)).toEqual({ state: "busy", reason: "util_above_zero" });
  });

  it("idles without the signals that a source may lack: engine-active, memory, processes, pod", () => {
    const bare = sample({
      engineActiveRatio: null,
      memoryUsedMib: null,
      memoryFreeMib: null,
      ownerProcesses: null,
      pod: null,
    });
    expect(classify(bare, alone).state).toBe("idle");
  });

  it("knows nothing of the owner while a guest fills the device's counters", () => {
    const mixed = sample({ attribution: "device", utilPct: 97 });
    expect(classify(mixed, { ...alone, leased: true })).toEqual({ state: "idle", reason: "guest_on_device" });
    expect(classify(mixed, alone).state).toBe("busy");
  });

  it("sees the owner beside a guest where the source tells them apart", () => {
    expect(classify(sample({ utilPct: 3 }), { ...alone, leased: true }).state).toBe("busy");
  });

  it("I6: is idle for no sample with a signal that is missing, stale or out of range", () => {
    const odd = fc.constantFrom(NaN, -1, -0.001, Infinity, -Infinity, 100.001, 1.8e19);
    const bad = fc.oneof(
      fc.constant<Partial<Sample>>({ utilPct: null }),
      odd.map((utilPct): Partial<Sample> => ({ utilPct })),
      odd.map((engineActiveRatio): Partial<Sample> => ({ engineActiveRatio })),
      fc.constantFrom(NaN, -1, Infinity).map((memoryUsedMib): Partial<Sample> => ({ memoryUsedMib })),
      fc.constantFrom(NaN, -1, Infinity).map((memoryFreeMib): Partial<Sample> => ({ memoryFreeMib })),
      fc.constantFrom(NaN, -1, Infinity).map((ownerProcesses): Partial<Sample> => ({ ownerProcesses })),
      fc.constantFrom(NaN, -Infinity, Infinity).map((atMs): Partial<Sample> => ({ atMs })),
      fc
        .integer({ min: staleMs + 1, max: 10 * staleMs })
        .map((ageMs): Partial<Sample> => ({ atMs: nowMs - ageMs })),
      fc.integer({ min: 1_001, max: 100_000 }).map((aheadMs): Partial<Sample> => ({ atMs: nowMs + aheadMs })),
    );
    fc.assert(
      fc.property(bad, fc.boolean(), (part, leased) => {
        expect(classify(sample(part), { ...alone, leased }).state).toBe("unknown");
      }),
    );
    expect(classify(null, alone)).toEqual({ state: "unknown", reason: "no_sample" });
  });

  it("I6: lets a busy signal win over every other, broken ones included", () => {
    const any = fc.constantFrom(null, 0, NaN, -1);
    fc.assert(
      fc.property(
        any,
        any,
        any,
        fc.double({ min: 1e-9, max: 1, noNaN: true }),
        (other, memory, processes, active) => {
          const rest = { memoryUsedMib: memory, memoryFreeMib: memory, ownerProcesses: processes };
          expect(
            classify(sample({ ...rest, utilPct: active * 100, engineActiveRatio: other }), alone).state,
          ).toBe("busy");
          expect(classify(sample({ ...rest, utilPct: other, engineActiveRatio: active }), alone).state).toBe(
            "busy",
          );
        },
      ),
    );
  });
});

describe("the traps that peers fell into", () => {
  it("trap: a false PROF 0 masks a busy UTIL (dcgm-exporter#662)", () => {
    expect(classify(sample({ utilPct: 100, engineActiveRatio: 0 }), alone).state).toBe("busy");
  });

  it("trap: a UTIL of 0 masks a busy PROF", () => {
    expect(classify(sample({ utilPct: 0, engineActiveRatio: 0.2 }), alone).state).toBe("busy");
  });

  it("trap: a PROF of 0 alone is taken for idleness", () => {
    expect(classify(sample({ utilPct: null, engineActiveRatio: 0 }), alone).state).toBe("unknown");
  });

  it("trap: query errors and NaN read as 0, hence idle", () => {
    expect(classify(sample({ utilPct: NaN, engineActiveRatio: NaN }), alone).state).toBe("unknown");
    expect(classify(sample({ utilPct: 0, engineActiveRatio: NaN }), alone).state).toBe("unknown");
  });

  it("trap: one idle GPU of eight condemns the whole pod", () => {
    const utils = [0, 50, 80, 90, 70, 60, 95, 100];
    const states = utils.map(
      (utilPct, index) => classify(sample({ device: `GPU-${index}`, utilPct }), alone).state,
    );
    expect(states.map((state) => state === "idle")).toEqual(utils.map((utilPct) => utilPct === 0));
  });

  it("trap: missing pod labels change the judgement", () => {
    expect(classify(sample({ pod: null, utilPct: 1 }), alone)).toEqual(
      classify(sample({ utilPct: 1 }), alone),
    );
    expect(classify(sample({ pod: null }), alone)).toEqual(classify(sample(), alone));
  });

  it("trap: 0 % utilisation with 92 % of the memory held is taken for an empty GPU", () => {
    const tracker = new OwnerTracker();
    expect(tracker.observe(sample({ memoryUsedMib: 45_000 }), alone).state).toBe("idle");
    const later = { ...alone, nowMs: nowMs + 15_000 };
    const seen = tracker.observe(sample({ atMs: nowMs + 15_000, memoryUsedMib: 44_000 }), later);
    expect(seen).toEqual({ state: "busy", reason: "memory_step", sinceMs: nowMs + 15_000 });
  });
});

describe("OwnerTracker", () => {
  function tracked(...samples: [atMs: number, part?: Partial<Sample>, leased?: boolean][]): OwnerTracker {
    const tracker = new OwnerTracker();
    for (const [atMs, part, leased = false] of samples)
      tracker.observe(sample({ atMs, ...part }), { nowMs: atMs, staleMs, leased });
    return tracker;
  }

  it("I6: knows nothing before the first sample", () => {
    expect(new OwnerTracker().at(5)).toEqual({ state: "unknown", reason: "no_sample", sinceMs: 0 });
    expect(new OwnerTracker().ageMs(5)).toBe(0);
  });

  it("tells since when, over samples that agree", () => {
    const tracker = tracked([0, { utilPct: 5 }], [15_000], [30_000]);
    expect(tracker.at(31_000)).toEqual({ state: "idle", reason: "all_signals_zero", sinceMs: 15_000 });
    expect(tracker.ageMs(31_000)).toBe(16_000);
  });

  it("I6: goes stale by itself when samples stop, and starts its age anew afterwards", () => {
    const tracker = tracked([0], [15_000]);
    expect(tracker.at(15_000 + staleMs).state).toBe("idle");
    expect(tracker.at(15_001 + staleMs)).toEqual({
      state: "unknown",
      reason: "stale",
      sinceMs: 15_000 + staleMs,
    });
    tracker.observe(sample({ atMs: 90_000 }), { nowMs: 90_000, staleMs, leased: false });
    expect(tracker.ageMs(91_000)).toBe(1_000);
  });

  it("ignores a sample that comes late, and one that denies a busy one of the same time", () => {
    const tracker = tracked([15_000, { utilPct: 9 }], [10_000], [15_000]);
    expect(tracker.at(16_000)).toEqual({ state: "busy", reason: "util_above_zero", sinceMs: 15_000 });
  });

  it("sees memory that creeps while nothing computes, not only memory that jumps", () => {
    const creeping = [0, 1, 2, 3].map((step): [number, Partial<Sample>] => [
      step * 15_000,
      { memoryUsedMib: 20_000 + step * 200 },
    ]);
    expect(tracked(...creeping).at(45_000).reason).toBe("memory_step");
  });

  it("does not take the guest's memory for the owner's, neither when it comes nor when it goes", () => {
    const device = { attribution: "device" as const };
    const tracker = tracked(
      [0, device],
      [15_000, { ...device, memoryUsedMib: 40_000, utilPct: 99 }, true],
      [30_000, device],
    );
    expect(tracker.at(30_000).state).toBe("idle");
    expect(tracker.ageMs(30_000)).toBe(30_000);
  });

  it("I6: is never idle after a sample that was not, whatever came before", () => {
    const utils = fc.array(fc.constantFrom(0, 0, 0, 7, null, NaN), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(utils, (values) => {
        const tracker = tracked(
          ...values.map((utilPct, index): [number, Partial<Sample>] => [index * 15_000, { utilPct }]),
        );
        const atMs = (values.length - 1) * 15_000;
        expect(tracker.at(atMs).state === "idle").toBe(values.at(-1) === 0);
        const firstOfRun = values.findLastIndex((utilPct) => utilPct !== 0) + 1;
        expect(tracker.ageMs(atMs)).toBe(values.at(-1) === 0 ? atMs - firstOfRun * 15_000 : 0);
      }),
    );
  });
});
