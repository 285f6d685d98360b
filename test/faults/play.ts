import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processesNaming } from "../../src/cli/processes.ts";
import { doubled } from "./oracle.ts";
import { insist } from "./owners.ts";
import { startStack, type FaultStack } from "./parts/stack.ts";
import { leaseStates, playRound, proveHealed, type Path, type RoundPlan, type StruckState } from "./round.ts";
import type { Row } from "./rows.ts";
import { judgeBooks, judgeGuest, judgeRecall, type Violation } from "./verdict.ts";

export interface Cell {
  /** Guests that were struck in this state. */
  plays: number;
  readonly violations: Violation[];
}

/** A Recall that came during the fault. */
export interface RecallResult {
  readonly state: StruckState;
  readonly path: Path;
  /** From the owner's first call to frozen or released. */
  readonly waitMs: number;
  readonly stages: readonly string[];
}

export interface RowResult {
  readonly row: string;
  readonly skipped: string | null;
  readonly cells: Readonly<Record<StruckState, Cell>>;
  /** Of no cell in particular. */
  readonly violations: Violation[];
  readonly recalls: readonly RecallResult[];
  /** Processes of the product that ended by themselves and were started again. */
  readonly restarts: number;
  /** Logs and the oracle's file, kept where something was violated. */
  readonly keptDir: string | null;
}

/** For a dump of what a process holds to reach its log. */
const dumpMs = 200;

interface Findings extends Pick<RowResult, "cells" | "violations"> {
  readonly recalls: RecallResult[];
  restarts: number;
  keptDir: string | null;
}

/** All states in each round, one device after the other; the next round goes on where the last one stopped. */
export function roundsOf(devices: number, rounds: number): StruckState[][] {
  const stateOf = (nth: number) => leaseStates[nth % leaseStates.length]!;
  return Array.from({ length: rounds }, (_, round) =>
    Array.from({ length: devices }, (__, i) => stateOf(round * devices + i)),
  );
}

/** One stack, all rounds on it. `onRound` is called after each. */
export async function playRow(
  row: Row,
  rounds: readonly (readonly StruckState[])[],
  onRound: () => void,
): Promise<RowResult> {
  const probeDir = mkdtempSync(join(tmpdir(), "gleaner-faults-probe-"));
  const skipped = row.skipped(probeDir);
  rmSync(probeDir, { recursive: true, force: true });
  const result = {
    row: row.name,
    skipped,
    cells: Object.fromEntries(
      leaseStates.map((state) => [state, { plays: 0, violations: [] }]),
    ) as unknown as Record<StruckState, Cell>,
    violations: [] as Violation[],
    recalls: [] as RecallResult[],
    restarts: 0,
    keptDir: null as string | null,
  };
  if (skipped !== null) return result;
  const stacks = row.afresh === true ? rounds.map((round) => [round]) : [rounds];
  for (const ofStack of stacks) await playStack(row, ofStack, result, onRound);
  return result;
}

async function playStack(
  row: Row,
  rounds: readonly (readonly StruckState[])[],
  result: Findings,
  onRound: () => void,
): Promise<void> {
  let dir = "";
  try {
    await using stack = await startStack(rounds[0]!.length, row.needs);
    dir = stack.dir;
    try {
      await playRounds(stack, row, rounds, result, onRound);
    } catch (thrown) {
      result.violations.push(notHealed(thrown));
    }
    const { controller, standby, agent, redis } = stack;
    const product = standby === null ? [controller, agent] : [controller, standby, agent];
    result.restarts += [...product, redis].reduce((sum, each) => sum + each.restarts, 0);
    if (hasViolations(result)) {
      for (const each of product) each.signal("SIGUSR2");
      await sleep(dumpMs);
      result.keptDir = keep(dir);
    }
  } catch (thrown) {
    result.violations.push(notHealed(thrown));
  }
  const left = dir === "" ? [] : processesNaming(dir);
  if (left.length > 0) result.violations.push(notHealed(new Error(`processes are left: ${left.join(", ")}`)));
}

async function playRounds(
  stack: FaultStack,
  row: Row,
  rounds: readonly (readonly StruckState[])[],
  result: Findings,
  onRound: () => void,
): Promise<void> {
  const reported = new Set<string>();
  for (const [nth, states] of rounds.entries()) {
    await judgedRound(stack, row, { nth, states }, result, reported);
    onRound();
  }
  await proveHealed(stack, rounds[0]!.length);
}

function notHealed(thrown: unknown): Violation {
  return { kind: "not healed", detail: thrown instanceof Error ? thrown.message : String(thrown) };
}

async function judgedRound(
  stack: FaultStack,
  row: Row,
  plan: RoundPlan,
  result: Findings,
  reported: Set<string>,
): Promise<void> {
  const played = await playRound(stack, row, plan);
  const { plays } = played;
  const lines = stack.oracle.read();
  for (const play of plays) {
    const cell = result.cells[play.state];
    cell.plays += 1;
    cell.violations.push(...judgeGuest(play, lines), ...judgeRecall(play, lines, played));
    const { state, path, served } = play;
    if (served === null) continue;
    const waitMs = (served.computeAtMs ?? Infinity) - served.askedAtMs;
    result.recalls.push({ state, path, waitMs, stages: served.stages });
  }
  for (const detail of doubled(lines).filter((text) => !reported.has(text))) {
    reported.add(detail);
    const play = plays.find(({ guest }) => guest !== "" && detail.includes(guest));
    (play === undefined ? result : result.cells[play.state]).violations.push({ kind: "doubled", detail });
  }
  const report = await insist(
    () => stack.clients.reports.getReport({ from: undefined, to: undefined, pricePerGpuHour: 0, pool: "" }),
    10_000,
  );
  const books = judgeBooks(report);
  for (const state of new Set(plan.states)) result.cells[state].violations.push(...books);
}

export function hasViolations({ cells, violations }: Pick<RowResult, "cells" | "violations">): boolean {
  return violations.length > 0 || Object.values(cells).some((cell) => cell.violations.length > 0);
}

function keep(dir: string): string {
  const kept = mkdtempSync(join(tmpdir(), "gleaner-faults-kept-"));
  for (const file of [
    "controller.log",
    "standby.log",
    "agent.log",
    "redis.log",
    "oracle.jsonl",
    "settings.json",
  ])
    if (existsSync(join(dir, file))) cpSync(join(dir, file), join(kept, file));
  return kept;
}
