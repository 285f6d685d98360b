import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { advance, type LadderStep, resumeObstacle } from "../../src/core/ladder.ts";
import { wakeAtMs } from "../../src/core/ladder-dues.ts";
import {
  type Cause,
  type Ladder,
  type LadderAction,
  type LadderEvent,
  type LadderRules,
  newLadder,
} from "../../src/core/ladder-state.ts";
import { isLive, type LeaseState, leaseTransitions } from "../../src/core/lease.ts";
import type { RecallDemand } from "../../src/core/owner-demand.ts";

const rules: LadderRules = {
  recallDeadlineMs: 30_000,
  pauseBudgetMs: 600_000,
  firstRung: "pause",
  vacateFromPause: "thaw",
  noticeMs: 10_000,
  killMarginMs: 1_000,
  driftMs: 500,
  proofMs: 5_000,
};
const byController: Cause = { mover: "controller", sinceMs: null, recallId: "", detail: "a test" };
const longTerm = { sentAtMs: 0, endsAtMs: 10_000_000 };

/** A ladder with the group of processes that it moves: what is frozen, alive or told to leave. */
class Host {
  ladder: Ladder;
  nowMs = 0;
  frozen = false;
  freezeWorks = true;
  readonly actions: { atMs: number; action: LadderAction }[] = [];
  readonly steps: { atMs: number; step: LadderStep }[] = [];

  constructor(change: Partial<LadderRules> = {}, term = longTerm) {
    this.ladder = newLadder({ ...rules, ...change }, term, 0);
  }

  do(event: LadderEvent): this {
    const result = advance(this.ladder, event, this.nowMs);
    this.ladder = result.ladder;
    for (const action of result.actions) {
      this.actions.push({ atMs: this.nowMs, action });
      if (action === "freeze" && this.freezeWorks) this.frozen = true;
      if (action === "thaw" || action === "terminate") this.frozen = false;
    }
    for (const step of result.steps) this.steps.push({ atMs: this.nowMs, step });
    return this;
  }

  /** Lets time pass, with a tick whenever the ladder asked for one. */
  passTo(untilMs: number): this {
    for (let wakeMs = wakeAtMs(this.ladder); wakeMs <= untilMs; wakeMs = wakeAtMs(this.ladder)) {
      this.nowMs = Math.max(this.nowMs, wakeMs);
      this.do({ type: "tick" });
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
    return this;
  }

  at(atMs: number, event: LadderEvent): this {
    return this.passTo(atMs).do(event);
  }

  whenDid(action: LadderAction): number[] {
    return this.actions.filter((each) => each.action === action).map(({ atMs }) => atMs);
  }

  /** State changes with their times, as `paused@100`. */
  get story(): string[] {
    return this.steps.map(({ atMs, step }) => `${step.state}@${atMs}`);
  }

  get cause(): Cause {
    return this.ladder.cause;
  }
}

function running(change: Partial<LadderRules> = {}, term = longTerm): Host {
  return new Host(change, term).do({ type: "launched" });
}

function recall(
  atMs: number,
  deadlineMs: number,
  firstRung: RecallDemand["firstRung"] = "pause",
): LadderEvent {
  return {
    type: "recalled",
    recall: { recallId: "r1", arrivedAtMs: atMs, deadlineAtMs: atMs + deadlineMs, firstRung },
  };
}

describe("the ladder", () => {
  it("freezes at once when the owner works, and is paused when the freeze is seen", () => {
    const host = running().at(100, { type: "activity", busy: true }).at(103, { type: "frozen" });
    expect(host.whenDid("freeze")).toEqual([100]);
    expect(host.story).toEqual(["running@0", "paused@103"]);
    expect(host.cause).toMatchObject({ mover: "activity", sinceMs: 100 });
  });

  it("does not go on by itself when the owner leaves", () => {
    const host = running().at(100, { type: "activity", busy: true }).do({ type: "frozen" });
    host.at(200, { type: "activity", busy: false }).passTo(300);
    expect(host.frozen).toBe(true);
    expect(host.do({ type: "resume" }).story.at(-1)).toBe("running@300");
    expect(host.frozen).toBe(false);
  });

  it.each<[string, LadderEvent]>([
    ["works", { type: "activity", busy: true }],
    ["announced work", { type: "hint", endsAtMs: 1_000_000 }],
    ["has recalled", recall(100, 900_000)],
  ])("refuses a resume while the owner %s", (_, event) => {
    const host = running().at(100, event).do({ type: "frozen" });
    expect(resumeObstacle(host.ladder, host.nowMs)).not.toBeNull();
    expect(host.do({ type: "resume" }).ladder.state).toBe("paused");
  });

  it("resumes once a recall that has not vacated yet is withdrawn", () => {
    const host = running().at(100, recall(100, 900_000)).do({ type: "frozen" });
    host.at(200, { type: "withdrawn", recallId: "r1" }).do({ type: "resume" });
    expect(host.ladder.state).toBe("running");
  });

  it("thaws and tells a guest to leave when the pause budget is over, and kills it when the notice is", () => {
    const host = running().at(100, { type: "activity", busy: true }).do({ type: "frozen" }).passTo(1_000_000);
    expect(host.story.slice(0, 4)).toEqual(["running@0", "paused@100", "vacating@600100", "killing@610100"]);
    expect(host.steps[2]!.step.cause).toMatchObject({ mover: "budget", sinceMs: 100 });
  });

  it("I5: where the policy's first rung is vacate, freezes for an owner who works and vacates without the pause budget", () => {
    const host = running({ firstRung: "vacate" }).at(100, { type: "activity", busy: true });
    expect(host.whenDid("freeze")).toEqual([100]);
    expect(host.whenDid("terminate")).toEqual([]);
    host.at(103, { type: "frozen" }).passTo(50_000);
    expect(host.story.slice(1, 4)).toEqual(["paused@103", "vacating@103", "killing@10103"]);
    expect(host.steps[2]!.step.cause).toMatchObject({ mover: "activity", sinceMs: 100 });
  });

  it("I5: kills by the policy's deadline where an owner who works wants the device whole, however long the notice", () => {
    const host = running({ firstRung: "vacate", noticeMs: 60_000 }).at(100, { type: "activity", busy: true });
    host.do({ type: "frozen" }).passTo(50_000);
    expect(host.whenDid("kill")[0]).toBe(29_100);
  });

  it("kills what is frozen for an owner who works where the policy forbids the thaw, or names kill", () => {
    const host = running({ firstRung: "vacate", vacateFromPause: "kill" });
    host.at(100, { type: "activity", busy: true }).do({ type: "frozen" });
    expect(host.story.slice(1)).toEqual(["paused@100", "killing@100"]);
    const killed = running({ firstRung: "kill" }).at(100, { type: "activity", busy: true });
    expect(killed.whenDid("kill")).toEqual([100]);
  });

  it("lets a guest stay for a hint, and go on after it, whatever the policy's first rung", () => {
    const host = running({ firstRung: "vacate" }).at(100, { type: "hint", endsAtMs: 400 });
    host.do({ type: "frozen" }).passTo(500).do({ type: "resume" });
    expect(host.story.slice(1)).toEqual(["paused@100", "running@500"]);
  });

  it("I0: an owner who comes while a guest leaves for the controller has it gone at once, where none may be thawed", () => {
    const vacate = { type: "vacate", noticeMs: 10_000, cause: byController } as const;
    for (const vacateFromPause of ["thaw", "kill"] as const) {
      const host = running({ vacateFromPause }).at(100, vacate).at(200, { type: "activity", busy: true });
      expect(host.whenDid("kill")).toEqual(vacateFromPause === "kill" ? [200] : []);
      host.passTo(10_099);
      expect(host.ladder.state).toBe(vacateFromPause === "kill" ? "quarantined" : "vacating");
    }
  });

  it("kills from the pause where the owner forbids the thaw", () => {
    const host = running({ vacateFromPause: "kill" }).at(100, { type: "activity", busy: true });
    host.do({ type: "frozen" }).passTo(700_000);
    expect(host.story.slice(1, 3)).toEqual(["paused@100", "killing@600100"]);
    expect(host.whenDid("terminate")).toEqual([]);
  });

  it("I5: spends a recall's time frozen, then on the notice, then kills before the deadline", () => {
    const host = running().at(1_000, recall(1_000, 30_000)).at(1_002, { type: "frozen" }).passTo(60_000);
    expect(host.story).toEqual([
      "running@0",
      "paused@1002",
      "vacating@20000",
      "killing@30000",
      "quarantined@35000",
    ]);
    expect(host.whenDid("freeze")).toEqual([1_000]);
    expect(host.steps[3]!.step.cause).toMatchObject({ mover: "owner", recallId: "r1", sinceMs: 1_000 });
  });

  it("I5: gives the notice at once where the deadline leaves no time to pause", () => {
    const host = running().at(1_000, recall(1_000, 5_000)).passTo(5_000);
    expect(host.story).toEqual(["running@0", "vacating@1000", "killing@5000"]);
    expect(host.actions[0]).toEqual({ atMs: 1_000, action: "terminate" });
  });

  it("I5: kills at once where the deadline leaves no time at all", () => {
    expect(running().at(1_000, recall(1_000, 500)).story).toEqual(["running@0", "killing@1000"]);
  });

  it("begins a recall with the rung that it names", () => {
    expect(
      running()
        .at(10, recall(10, 30_000, "vacate"))
        .story.at(-1),
    ).toBe("vacating@10");
    expect(
      running()
        .at(10, recall(10, 30_000, "kill"))
        .story.at(-1),
    ).toBe("killing@10");
  });

  it("lets the same recall become stricter, never milder", () => {
    const host = running().at(0, recall(0, 30_000)).do({ type: "frozen" });
    host.at(10, recall(10, 60_000)).passTo(29_000);
    expect(host.story.at(-1)).toBe("killing@29000");
  });

  it("tells the guest to leave when its term runs out, in time for a deadline nobody could tell it of", () => {
    const host = running({ noticeMs: 60_000 }, { sentAtMs: 1_000, endsAtMs: 16_000 }).passTo(50_000);
    expect(host.story.slice(0, 3)).toEqual(["running@0", "vacating@16000", "killing@29500"]);
    expect(host.steps[1]!.step.cause.mover).toBe("term");
  });

  it("goes on while its term is renewed", () => {
    const host = running({}, { sentAtMs: 0, endsAtMs: 15_000 });
    for (let sentAtMs = 3_000; sentAtMs < 100_000; sentAtMs += 3_000)
      host.at(sentAtMs + 50, { type: "renewed", sentAtMs, endsAtMs: sentAtMs + 15_000 });
    expect(host.ladder.state).toBe("running");
  });

  it("kills what cannot be frozen", () => {
    const host = running();
    host.freezeWorks = false;
    host.at(100, { type: "activity", busy: true }).passTo(10_000);
    expect(host.story.at(1)).toBe("killing@5100");
  });

  it("I10: quarantines what outlives its kill, kills it again at a bounded rate, and takes a later proof", () => {
    const host = running().at(100, { type: "kill", cause: byController }).passTo(3_600_000);
    expect(host.story).toEqual(["running@0", "killing@100", "quarantined@5100"]);
    expect(host.whenDid("kill").length).toBeLessThanOrEqual(51 + 3_600_000 / rules.proofMs);
    expect(host.do({ type: "emptied" }).story.at(-1)).toBe("released@3600000");
  });

  it("kills what a guest leaves behind when it ends by itself", () => {
    const host = running().at(100, { type: "mainEnded", byNotice: false });
    expect(host.story.at(-1)).toBe("killing@100");
    expect(host.at(101, { type: "emptied" }).cause.mover).toBe("guest");
  });

  it("passes the notice on to those who are left when only the first process heard it", () => {
    const host = running().at(100, { type: "vacate", noticeMs: 1_000, cause: byController });
    host.at(110, { type: "mainEnded", byNotice: true });
    expect(host.whenDid("terminate")).toEqual([100, 110]);
    expect(host.passTo(2_000).story.at(2)).toBe("killing@1100");
  });

  it("kills in the same instant where the notice has no length, and waits for no timer to say so", () => {
    const host = running({ noticeMs: 0 }).at(100, { type: "vacate", noticeMs: 0, cause: byController });
    expect(host.story).toEqual(["running@0", "vacating@100", "killing@100"]);
    expect(host.actions.map(({ action }) => action)).toEqual(["terminate", "kill"]);
    expect(wakeAtMs(host.ladder)).toBeGreaterThan(100);
  });

  it("is not launched into a recall: what has not begun is killed, not told to leave", () => {
    const host = new Host().at(5, recall(5, 30_000, "vacate"));
    expect(host.story).toEqual(["killing@5"]);
  });
});

/** Where two things are due in one instant, most goes wrong: zero and equal times are drawn often. */
const timeMs = fc.oneof(fc.constantFrom(0, 1_000, 10_000), fc.integer({ min: 0, max: 200_000 }));
const noticeMsOf = (max: number) => fc.oneof(fc.constant(0), fc.nat(max));
const eventAt = fc.record({
  atMs: timeMs,
  event: fc.oneof(
    { weight: 3, arbitrary: fc.boolean().map((busy): LadderEvent => ({ type: "activity", busy })) },
    { weight: 3, arbitrary: fc.constant<LadderEvent>({ type: "resume" }) },
    { weight: 2, arbitrary: fc.constant<LadderEvent>({ type: "frozen" }) },
    fc.integer({ min: 1, max: 60_000 }).map((ttl): LadderEvent => ({ type: "hint", endsAtMs: ttl })),
    fc.constantFrom("r0", "r1", "").map((recallId): LadderEvent => ({ type: "withdrawn", recallId })),
    fc.constant<LadderEvent>({ type: "pause", cause: byController }),
    noticeMsOf(20_000).map((noticeMs): LadderEvent => ({ type: "vacate", noticeMs, cause: byController })),
    fc.boolean().map((byNotice): LadderEvent => ({ type: "mainEnded", byNotice })),
    fc.constant<LadderEvent>({ type: "tick" }),
  ),
});
const recallAt = fc.record({
  atMs: timeMs,
  deadlineMs: fc.integer({ min: 1, max: 60_000 }),
  firstRung: fc.constantFrom("pause" as const, "vacate" as const, "kill" as const),
});
const anyRules = fc.record({
  noticeMs: noticeMsOf(40_000),
  pauseBudgetMs: fc.nat(100_000),
  killMarginMs: fc.nat(2_000),
  proofMs: fc.integer({ min: 100, max: 5_000 }),
  firstRung: fc.constantFrom("pause" as const, "vacate" as const, "kill" as const),
  vacateFromPause: fc.constantFrom("thaw" as const, "kill" as const),
});

type Scripted = { atMs: number; event: LadderEvent };

type Look = (host: Host, event: LadderEvent) => void;

function play(host: Host, script: readonly Scripted[], untilMs: number, look: Look = () => {}): Host {
  host.do({ type: "launched" });
  const end: Scripted = { atMs: untilMs, event: { type: "tick" } };
  for (const { atMs, event } of [...script.toSorted((a, b) => a.atMs - b.atMs), end]) {
    host.at(atMs, event);
    look(host, event);
  }
  return host;
}

describe("the ladder, for every order of events", () => {
  it("I5: an owner who recalls has the device released or quarantined by the deadline and the time of the proof, killed in time", () => {
    fc.assert(
      fc.property(
        anyRules,
        recallAt,
        fc.array(eventAt, { maxLength: 30 }),
        fc.boolean(),
        (change, wish, noise, launched) => {
          const { atMs, deadlineMs, firstRung } = wish;
          const host = new Host(change);
          if (launched) host.do({ type: "launched" });
          const event: LadderEvent = {
            type: "recalled",
            recall: { recallId: "kept", arrivedAtMs: atMs, deadlineAtMs: atMs + deadlineMs, firstRung },
          };
          for (const each of [...noise, { atMs, event }].toSorted((a, b) => a.atMs - b.atMs))
            host.at(each.atMs, each.event);
          const dueMs = Math.max(atMs, atMs + deadlineMs - change.killMarginMs);
          host.passTo(dueMs + change.proofMs);
          expect(isLive(host.ladder.state)).toBe(false);
          expect(host.whenDid("kill")[0]).toBeLessThanOrEqual(dueMs);
        },
      ),
    );
  });

  it("I0: once the owner was seen, the guest works no more until a resume", () => {
    fc.assert(
      fc.property(anyRules, fc.array(eventAt, { maxLength: 40 }), (change, script) => {
        let stopped = false;
        play(new Host(change), script, 300_000, ({ ladder, frozen }, event) => {
          if (event.type === "activity" && event.busy) stopped = true;
          if (event.type === "resume" && ladder.demands.activitySinceMs === null) stopped = false;
          if (stopped && ladder.state === "running") expect(frozen).toBe(true);
          if (ladder.state === "paused") expect(frozen).toBe(true);
        });
      }),
    );
  });

  it("climbs only: every step is allowed after the one before, and a final state is left by a proof alone", () => {
    fc.assert(
      fc.property(
        anyRules,
        fc.array(eventAt, { maxLength: 40 }),
        fc.array(recallAt, { maxLength: 3 }),
        (change, script, recalls) => {
          const demands = recalls.map(({ atMs, deadlineMs, firstRung }, index) => ({
            atMs,
            event: {
              type: "recalled",
              recall: {
                recallId: `r${index}`,
                arrivedAtMs: atMs,
                deadlineAtMs: atMs + deadlineMs,
                firstRung,
              },
            } as LadderEvent,
          }));
          const host = play(new Host(change), [...script, ...demands], 400_000);
          const states: LeaseState[] = ["starting", ...host.steps.map(({ step }) => step.state)];
          for (const [index, state] of states.slice(1).entries())
            expect(leaseTransitions[states[index]!][state], `${states[index]} → ${state}`).toBe(true);
        },
      ),
    );
  });

  it("never outlives its term and the longest deadline that may have been missed in it", () => {
    fc.assert(
      fc.property(anyRules, fc.array(eventAt, { maxLength: 30 }), (change, script) => {
        const term = { sentAtMs: 0, endsAtMs: 15_000 };
        const host = play(new Host(change, term), script, 250_000);
        const latestMs = Math.max(
          term.endsAtMs,
          rules.recallDeadlineMs - rules.driftMs - change.killMarginMs,
        );
        expect(host.whenDid("kill")[0]).toBeLessThanOrEqual(latestMs);
      }),
    );
  });

  it("asks to be woken only in the future, so that it never spins", () => {
    fc.assert(
      fc.property(anyRules, fc.array(eventAt, { maxLength: 40 }), (change, script) => {
        play(new Host(change), script, 300_000, ({ ladder, nowMs }) =>
          expect(wakeAtMs(ladder)).toBeGreaterThan(nowMs),
        );
      }),
    );
  });
});
