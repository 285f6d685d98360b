import { describe, expect, it } from "vitest";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { Category, type GetReportResponse } from "../../src/gen/gleaner/v1/reports.ts";
import { doubled, type OracleLine } from "../faults/oracle.ts";
import type { Play } from "../faults/round.ts";
import { judgeBooks, judgeGuest, judgeRecall } from "../faults/verdict.ts";

const line = (what: OracleLine["what"], atMs: number, more: Partial<OracleLine> = {}): OracleLine => ({
  guest: "g",
  attempt: 1,
  device: "GPU-0",
  pid: 100,
  what,
  atMs,
  ...more,
});

const play = (more: Partial<Play> = {}): Play => ({
  state: "running",
  device: "GPU-0",
  guest: "g",
  finalState: GuestState.SUCCEEDED,
  stuckBecause: "",
  path: "agent",
  served: null,
  ...more,
});

const served = (more: Partial<NonNullable<Play["served"]>> = {}) => ({
  askedAtMs: 1_000,
  sentAtMs: 1_000,
  computeAtMs: 1_010,
  pausedAtMs: 1_010,
  releasedAtMs: 3_800,
  stages: [],
  ...more,
});

const kinds = (violations: readonly { kind: string }[]) => violations.map(({ kind }) => kind);

const at = (doneAtMs: number, stalledMs = 0) => ({ doneAtMs, stalledMs });

describe("what the real faults are judged by", () => {
  const whole = [line("start", 0), line("tick", 900), line("term", 3_700), line("end", 3_750)];

  it("finds nothing where all is well", () => {
    expect(doubled(whole)).toEqual([]);
    expect(judgeGuest(play(), whole)).toEqual([]);
    expect(judgeRecall(play({ served: served() }), whole, at(9_000))).toEqual([]);
  });

  it("finds attempts of one guest, and guests on one device, that were there at once", () => {
    const second = { attempt: 2, pid: 101, device: "GPU-1" };
    expect(doubled([line("tick", 0), line("tick", 20), line("start", 10, second)])).toHaveLength(1);
    expect(doubled([line("tick", 0), line("start", 10, second)])).toEqual([]);
    expect(doubled([line("tick", 0), line("tick", 20), line("start", 10, { guest: "h" })])).toHaveLength(1);
  });

  it("finds guests that are lost, stuck or ended twice", () => {
    expect(kinds(judgeGuest(play({ finalState: null }), whole))).toEqual(["lost"]);
    expect(kinds(judgeGuest(play({ finalState: GuestState.FAILED }), whole))).toEqual(["lost"]);
    expect(kinds(judgeGuest(play(), whole.slice(0, 2)))).toEqual(["lost"]);
    expect(kinds(judgeGuest(play({ finalState: GuestState.WAITING }), whole))).toEqual(["not healed"]);
    expect(kinds(judgeGuest(play(), [...whole, line("end", 5_000, { attempt: 2 })]))).toEqual(["doubled"]);
  });

  it("finds owners who waited too long", () => {
    const judged = (more: Parameters<typeof served>[0]) =>
      kinds(judgeRecall(play({ served: served(more) }), [], at(9_000)));
    expect(judged({ releasedAtMs: null })).toEqual(["late"]);
    expect(judged({ releasedAtMs: 6_500 })).toEqual(["late"]);
    expect(judged({ askedAtMs: -5_000 })).toEqual(["late"]);
    const whileAllStood = at(9_000, 2_000);
    expect(judgeRecall(play({ served: served({ releasedAtMs: 6_500 }) }), [], whileAllStood)).toEqual([]);
  });

  it("finds guests that work on after their owner was told that they do not", () => {
    const works = [line("start", 0), line("tick", 900), line("tick", 2_000), line("term", 3_700)];
    expect(kinds(judgeRecall(play({ served: served() }), works, at(9_000)))).toEqual(["not at rest"]);
    expect(judgeRecall(play({ served: served() }), works, at(1_500))).toEqual([]);
    const stays = [line("start", 0), line("term", 3_700), line("tick", 3_900)];
    expect(kinds(judgeRecall(play({ served: served() }), stays, at(9_000)))).toEqual(["late"]);
  });

  it("finds books that do not balance", () => {
    const amounts = [{ category: Category.USEFUL, reason: "", deviceUs: 1_000_000 }];
    const span = { from: new Date(0), to: new Date(1_000), elapsedUs: 1_000_000 };
    const report = (more = {}) =>
      ({ balanced: true, devices: [{ device: "GPU-0", ...span, amounts, ...more }] }) as GetReportResponse;
    expect(judgeBooks(report())).toEqual([]);
    expect(kinds(judgeBooks(report({ amounts: [] })))).toEqual(["books"]);
    expect(kinds(judgeBooks(report({ to: new Date(1_001) })))).toEqual(["books"]);
  });
});
