import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { RecallStage, Rung } from "../../src/gen/gleaner/v1/owners.ts";
import { processGuest } from "../support/controller.ts";
import { nowMs, startMs, type Manners } from "./oracle.ts";
import { insist, recall, type Served } from "./owners.ts";
import { deadlineMs, deviceName, noticeMs, poolName, type FaultStack } from "./parts/stack.ts";
import type { Row } from "./rows.ts";

/** What a lease does while the fault strikes. */
export const leaseStates = ["starting", "running", "paused", "vacating", "handing back"] as const;
export type StruckState = (typeof leaseStates)[number];

/** Whom an owner calls first. */
export type Path = "agent" | "controller";

/** One guest on one device through one fault. */
export interface Play {
  readonly state: StruckState;
  readonly device: string;
  readonly guest: string;
  /** In the end; null: the queue does not know it. */
  readonly finalState: GuestState | null;
  /** Why it has come to no end, in the product's words; empty where it has. */
  readonly stuckBecause: string;
  readonly path: Path;
  /** The Recall that came during the fault; null: none was sent here. */
  readonly served: Served | null;
}

export interface RoundResult {
  readonly plays: readonly Play[];
  /** When owners said that they are done; until then whatever was taken back must rest. */
  readonly doneAtMs: number;
  /** The longest time for which this process was not run though it was due. */
  readonly stalledMs: number;
}

const manners: Readonly<Record<StruckState, Manners>> = {
  starting: "leaves",
  running: "leaves",
  paused: "leaves",
  vacating: "checkpoints",
  "handing back": "stays",
};

export interface RoundPlan {
  /** The how many-th of its row. */
  readonly nth: number;
  /** By device. */
  readonly states: readonly StruckState[];
}

/** Half of the owners call the agent first, half the controller. */
function pathOf(index: number): Path {
  return index % 2 === 0 ? "agent" : "controller";
}

/** Of each path, half want a pause first. */
function rungOf(index: number, nth: number): Rung {
  return (Math.floor(index / 2) + nth) % 2 === 0 ? Rung.PAUSE : Rung.VACATE;
}

const readyMsMax = 20_000;
const endMsMax = 20_000;
/** How long a pause holds that is there before the fault is. */
const earlierDeadlineMs = 10_000;
/** Of one that ignores it. */
const shortNoticeMs = 600;
const leadMs = shortNoticeMs + 100;

/** Brings a guest on each device into its state, lets the fault strike and pass, and sees every guest to its end. */
export async function playRound(stack: FaultStack, row: Row, plan: RoundPlan): Promise<RoundResult> {
  const { states } = plan;
  const round = new Round(stack, `round-${plan.nth}`, plan);
  await round.prepare();
  await row.aim?.(stack);
  await round.reachStates();
  const stalls = monitorEventLoopDelay({ resolution: 10 });
  stalls.enable();
  await row.strike(stack, round.guests());
  const struckAtMs = nowMs();
  const recalls = round.recallDuringFault(row.lastsMs);
  await sleep(Math.max(0, struckAtMs + row.lastsMs - nowMs()));
  await row.heal(stack, round.guests());
  const served = await Promise.all(recalls);
  stalls.disable();
  await round.ownersDone();
  const doneAtMs = nowMs();
  const finalStates = await round.finish();
  const stuck = await round.explainStuck(finalStates);
  const plays = states.map((state, i) => ({
    state,
    device: deviceName(i),
    guest: round.guestOn(i),
    finalState: finalStates.get(round.guestOn(i)) ?? null,
    stuckBecause: stuck.get(round.guestOn(i)) ?? "",
    path: pathOf(i),
    served: served[i] ?? null,
  }));
  return { plays, doneAtMs, stalledMs: stalls.max / 1e6 };
}

/** Every device is lent again, and what runs there does well. Throws where one is not. */
export async function proveHealed(stack: FaultStack, devices: number): Promise<void> {
  const states = Array.from({ length: devices }, () => "running" as const);
  const round = new Round(stack, "afterwards", { nth: 0, states });
  await round.prepare();
  const finalStates = await round.finish();
  const failed = round.guests().filter((guest) => finalStates.get(guest) !== GuestState.SUCCEEDED);
  if (failed.length > 0) throw new Error(`afterwards these guests did not succeed: ${failed.join(", ")}`);
}

class Round {
  readonly #stack: FaultStack;
  readonly #name: string;
  readonly #states: readonly StruckState[];
  readonly #nth: number;
  readonly #finishFile: string;
  readonly #guests = new Map<number, string>();
  #submissions: Promise<void>[] = [];

  constructor(stack: FaultStack, name: string, { nth, states }: RoundPlan) {
    this.#stack = stack;
    this.#name = name;
    this.#nth = nth;
    this.#states = states;
    this.#finishFile = join(stack.dir, `finish-${name}`);
  }

  guests(): string[] {
    return [...this.#guests.values()];
  }

  guestOn(index: number): string {
    return this.#guests.get(index) ?? "";
  }

  /** All but those who are to be struck while they start. */
  async prepare(): Promise<void> {
    await Promise.all(this.#in((state) => state !== "starting").map((i) => this.#submit(i)));
    await this.#until("guests work on every device", () =>
      this.guests().every((guest) => this.#stack.oracle.of(guest).some(({ what }) => what === "tick")),
    );
  }

  /** So timed that every lease is where it should be when this resolves. */
  async reachStates(): Promise<void> {
    const order = (firstRung: Rung) => ({ deadlineMs: earlierDeadlineMs, firstRung, giveUpMs: 5_000 });
    const pause = (i: number) =>
      recall(this.#addresses(i), deviceName(i), order(Rung.PAUSE), (stage) => stage === RecallStage.PAUSED);
    await Promise.all(this.#in((state) => state === "paused").map(pause));
    const strikeAtMs = nowMs() + leadMs;
    const vacate = (i: number) =>
      recall(
        this.#addresses(i),
        deviceName(i),
        order(Rung.VACATE),
        (stage) => stage !== RecallStage.ACCEPTED,
      );
    const at = async (beforeMs: number, act: () => Promise<unknown>) => {
      await sleep(Math.max(0, strikeAtMs - beforeMs - nowMs()));
      await act();
    };
    // Spread around the moment of the strike: some are a step before it, some behind.
    const last = [
      ...this.#in((state) => state === "handing back").map((i, place) =>
        at(shortNoticeMs + 20 - 10 * this.#spread(place), () => vacate(i)),
      ),
      ...this.#in((state) => state === "vacating").map((i, place) =>
        at(150 + 50 * this.#spread(place), () => vacate(i)),
      ),
    ];
    this.#submissions = this.#in((state) => state === "starting").map((i, place) =>
      at(5 + 25 * this.#spread(place), () => this.#submit(i)),
    );
    // Who waits for them hears of it, once the fault is over.
    for (const submission of this.#submissions) submission.catch(() => {});
    await Promise.all(last);
    await at(0, async () => {});
  }

  /** By device: on three of four, through the agent and through the controller, with both rungs. */
  recallDuringFault(lastsMs: number): Promise<Served | null>[] {
    return this.#states.map(async (_, i) => {
      if ((i + this.#nth) % 4 === 3) return null;
      await sleep(30 + Math.random() * 150);
      const firstRung = rungOf(i, this.#nth);
      const giveUpMs = lastsMs + 2 * deadlineMs;
      return recall(this.#addresses(i), deviceName(i), { deadlineMs, firstRung, giveUpMs });
    });
  }

  async ownersDone(): Promise<void> {
    await Promise.all(this.#submissions);
    const target = { scope: { $case: "fleet" as const, value: {} } };
    await insist(() => this.#stack.clients.owners.idle({ target }), readyMsMax);
  }

  /** Resolves with the states that the guests have come to; all are final unless the time is up. */
  async finish(): Promise<Map<string, GuestState>> {
    writeFileSync(this.#finishFile, "");
    const giveUpAtMs = nowMs() + endMsMax;
    for (;;) {
      const list = () =>
        this.#stack.clients.guests.list({ tenant: this.#name, states: [], pageSize: 100, pageToken: "" });
      const { guests } = await insist(list, endMsMax);
      const states = new Map(guests.map(({ id, state }) => [id, state]));
      const allEnded = this.guests().every((id) => finalStates.has(states.get(id) ?? GuestState.UNSPECIFIED));
      if (allEnded || nowMs() > giveUpAtMs) return states;
      await sleep(30);
    }
  }

  async explainStuck(states: ReadonlyMap<string, GuestState>): Promise<Map<string, string>> {
    const stuck = this.guests().filter((id) => !finalStates.has(states.get(id) ?? GuestState.UNSPECIFIED));
    const explanations = stuck.map(async (id) => {
      const explain = () => this.#stack.clients.guests.explain({ id });
      const { reasonCode, obstacles } = await insist(explain, readyMsMax);
      const devices = obstacles.map((each) => `${each.reasonCode} ×${each.devices}`);
      return [id, [reasonCode, ...devices].join(", ")] as const;
    });
    return new Map(await Promise.all(explanations));
  }

  /** From 0 to 5: the next ones of a state, in this round and in the next, a step later each. */
  #spread(place: number): number {
    return (place + 3 * this.#nth) % 6;
  }

  #in(holds: (state: StruckState) => boolean): number[] {
    return this.#states.flatMap((state, i) => (holds(state) ? [i] : []));
  }

  /** The one that it calls first, and the one that it turns to where that does not answer. */
  #addresses(index: number): string[] {
    const { agent, controllers } = this.#stack.recallAddresses;
    return pathOf(index) === "agent" ? [agent, ...controllers] : [...controllers, agent];
  }

  async #submit(index: number): Promise<void> {
    const { dir, oracle, clients } = this.#stack;
    const state = this.#states[index]!;
    const script = join(import.meta.dirname, "guest.ts");
    const command = [process.execPath, script, oracle.path, manners[state], this.#finishFile];
    const spec = processGuest({
      tenant: this.#name,
      name: state.replaceAll(" ", "-"),
      workload: { $case: "process", value: { command, env: guestEnv, workingDir: dir } },
      shape: {
        devices: 1,
        share: undefined,
        memoryMib: undefined,
        deviceModel: "",
        pools: [poolName(index)],
      },
      noticeMs: state === "handing back" ? shortNoticeMs : noticeMs,
      // A guest that is killed by a stranger has failed.
      retries: 10,
    });
    const request = { spec, idempotencyKey: `${this.#name}-${index}` };
    const { guest } = await insist(() => clients.guests.submit(request), readyMsMax);
    this.#guests.set(index, guest!.id);
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const giveUpAtMs = nowMs() + readyMsMax;
    while ((this.#stack.oracle.read(), !holds())) {
      if (nowMs() > giveUpAtMs) throw new Error(`waited ${readyMsMax} ms in vain until ${what}`);
      await sleep(startMs / 20);
    }
  }
}

/** What was compiled once need not be again. */
const guestEnv: Record<string, string> =
  process.env["NODE_COMPILE_CACHE"] === undefined
    ? {}
    : { NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] };

const finalStates = new Set<GuestState>([GuestState.SUCCEEDED, GuestState.FAILED, GuestState.CANCELLED]);
