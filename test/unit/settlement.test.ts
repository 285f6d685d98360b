import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LeaseEnd, Mover } from "../../src/core/lease.ts";
import { budgetOf, settle } from "../../src/core/settlement.ts";

const movers: Mover[] = ["controller", "guest", "activity", "owner", "term", "budget"];
const worked: LeaseEnd = {
  exitCode: null,
  exitSignal: "",
  checkpointAgeMs: 3_000,
  workedMs: 10_000,
  vacateMs: null,
};
const ended = (
  mover: Mover,
  end: Partial<LeaseEnd>,
  more: { cancelled?: boolean; agentLost?: boolean } = {},
) => settle({ mover, end: { ...worked, ...end }, cancelled: false, agentLost: false, ...more });

describe("settle", () => {
  it("exit 0 is done and loses nothing, whoever made it leave", () => {
    for (const mover of movers)
      expect(ended(mover, { exitCode: 0, checkpointAgeMs: null })).toMatchObject({
        outcome: "done",
        usefulMs: 10_000,
        lostMs: 0,
      });
  });

  it("exit 85 is checkpointed by itself and evicted when somebody made it leave; either loses what is newer", () => {
    expect(ended("guest", { exitCode: 85 })).toMatchObject({
      outcome: "checkpointed",
      usefulMs: 7_000,
      lostMs: 3_000,
    });
    expect(ended("budget", { exitCode: 85 })).toMatchObject({
      outcome: "evicted",
      usefulMs: 7_000,
      lostMs: 3_000,
    });
  });

  it("I9: whatever ends a guest that was made to leave, it is never its failure", () => {
    for (const mover of movers.filter((each) => each !== "guest"))
      for (const end of [{ exitCode: 1 }, { exitSignal: "SIGKILL" }, { exitCode: 143 }])
        expect(ended(mover, end).outcome).toBe("evicted");
  });

  it("another exit by itself is a failure and loses what came after the last checkpoint", () => {
    expect(ended("guest", { exitCode: 1 })).toMatchObject({
      outcome: "failed",
      usefulMs: 7_000,
      lostMs: 3_000,
    });
    expect(ended("guest", { exitSignal: "SIGSEGV" }).outcome).toBe("failed");
  });

  it("I9, I11: however often a guest is put back, it runs at most 1 + retries + evictions times", () => {
    const exit = fc.record({
      exitCode: fc.constantFrom(null, 1, 85, 143),
      checkpointAgeMs: fc.constantFrom(null, 0, 3_000),
    });
    const attempt = fc.tuple(fc.constantFrom(...movers), exit, fc.boolean());
    fc.assert(
      fc.property(fc.nat(3), fc.nat(5), fc.infiniteStream(attempt), (retries, evictions, attempts) => {
        const left = { retries, evictions };
        let runs = 0;
        for (const [mover, end, agentLost] of attempts) {
          runs += 1;
          const budget = budgetOf(ended(mover, end, { agentLost }));
          if (budget === null || left[budget] === 0) break;
          left[budget] -= 1;
          if (budget === "retries") expect([mover, agentLost]).toEqual(["guest", false]);
        }
        expect(runs).toBeLessThanOrEqual(1 + retries + evictions);
      }),
    );
  });

  it("I9: an attempt that was put back before it began counts against nobody", () => {
    expect(budgetOf({ outcome: "checkpointed", exitCode: null })).toBeNull();
  });

  it("without any checkpoint everything is lost", () => {
    expect(ended("activity", { exitSignal: "SIGKILL", checkpointAgeMs: null })).toMatchObject({
      usefulMs: 0,
      lostMs: 10_000,
    });
  });

  it("a checkpoint older than the work, by pauses, loses no more than the work", () => {
    expect(ended("owner", { checkpointAgeMs: 60_000 })).toMatchObject({ usefulMs: 0, lostMs: 10_000 });
  });

  it("a vanished agent loses the attempt back to the last known checkpoint", () => {
    expect(ended("controller", {}, { agentLost: true })).toMatchObject({
      outcome: "lost",
      usefulMs: 7_000,
      lostMs: 3_000,
    });
  });

  it("a cancelled guest is cancelled, unless it was done first", () => {
    expect(ended("controller", { exitCode: 143 }, { cancelled: true }).outcome).toBe("cancelled");
    expect(ended("controller", {}, { cancelled: true, agentLost: true }).outcome).toBe("cancelled");
    expect(ended("controller", { exitCode: 0 }, { cancelled: true }).outcome).toBe("cancelled");
    expect(ended("guest", { exitCode: 0 }, { cancelled: true }).outcome).toBe("done");
  });

  it("useful and lost time are whole, not negative, and sum to the work", () => {
    const ms = fc.double({ min: 0, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(
        fc.constantFrom(...movers),
        fc.record({ exitCode: fc.option(fc.nat(255)), checkpointAgeMs: fc.option(ms), workedMs: ms }),
        fc.boolean(),
        fc.boolean(),
        (mover, end, cancelled, agentLost) => {
          const { usefulMs, lostMs, workedMs } = ended(mover, end, { cancelled, agentLost });
          expect(usefulMs + lostMs).toBe(workedMs);
          expect(Number.isInteger(usefulMs) && usefulMs >= 0 && Number.isInteger(lostMs) && lostMs >= 0).toBe(
            true,
          );
        },
      ),
    );
  });
});
