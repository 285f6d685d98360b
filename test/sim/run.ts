import { createHash } from "node:crypto";
import { pino } from "pino";
import type { Desks } from "../../src/api/server.ts";
import type { RecallOrder } from "../../src/api/ports.ts";
import type { LedgerEvent } from "../../src/core/ledger-event.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import type { GuestRecord } from "../../src/store/lease-store.ts";
import { type Fault, keeperOf, type Span } from "./faults.ts";
import { count, type Coverage, rowOf } from "./coverage.ts";
import { Oracle, type Violation } from "./oracle.ts";
import type { OwnerAct, PlannedGuest, Scenario } from "./plan.ts";
import { activeMs, healedByMs } from "./scenario.ts";
import { diskFullReply } from "./redis/server.ts";
import type { BooksFile } from "./world/books.ts";
import { call, stream } from "./world/rpc.ts";
import { Random } from "./world/random.ts";
import { Scheduler } from "./world/scheduler.ts";
import { type AgentProcess, type Struck, World } from "./world/world.ts";
import type { Life } from "./world/process.ts";

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** Of everything that happened and when: two runs of one scenario have the same. */
  readonly hash: string;
  readonly happened: number;
  readonly starts: number;
  readonly guests: number;
  readonly coverage: Coverage;
}

/** How long a fault waits for a lease in its state. */
const faultWaitsMsMax = 15_000;
/** From the end of the last guest on: by then nothing of it is left, and every device is lent once more. */
const againMsMax = 30_000;

/** Plays one scenario from its beginning until everything has healed, or should have. */
export async function play(
  scenario: Scenario,
  say: ((line: string) => void) | null = null,
): Promise<Outcome> {
  const run = new Run(scenario, say);
  return run.play();
}

class Run {
  readonly #scenario: Scenario;
  readonly #scheduler = new Scheduler();
  readonly #random: Random;
  readonly #oracle: Oracle;
  readonly #world: World;
  readonly #trace = createHash("sha256");
  readonly #say: ((line: string) => void) | null;
  /** Devices on which their owner works now. */
  readonly #working = new Map<string, number>();
  /** Guests' ids by their keys. */
  readonly #accepted = new Map<string, string>();
  readonly #open = new Set<string>();
  readonly #coverage: Coverage = {};
  /** When each guest was accepted, by its id. */
  readonly #acceptedAtMs = new Map<string, number>();
  /** What Redis forgot, ms of the world. */
  readonly #forgotten: { readonly fromMs: number; readonly toMs: number }[] = [];
  readonly #struck: { readonly fault: Fault; readonly atMs: number }[] = [];

  constructor(scenario: Scenario, say: ((line: string) => void) | null) {
    this.#scenario = scenario;
    this.#say = say;
    this.#random = new Random(scenario.seed).fork("run");
    this.#oracle = new Oracle(scenario, this.#scheduler);
    const programs = new Map(
      [...scenario.guests, ...scenario.proofs].map(({ key, program }) => [key, program]),
    );
    const log = pino(
      { level: say === null ? "silent" : "debug", base: null, timestamp: false },
      { write: (line: string) => say?.(`${this.#scheduler.nowMs.toFixed(3)} ${line.trim()}`) },
    );
    this.#world = new World({
      scheduler: this.#scheduler,
      random: this.#random,
      plan: scenario,
      witness: {
        started: (process) => {
          this.#note(
            `start ${process.start.guestId}:${process.start.attempt} ${process.start.devices.join(" ")}`,
          );
          this.#oracle.started(process);
        },
        gone: (process) => {
          this.#note(`gone ${process.start.guestId}:${process.start.attempt}`);
          this.#oracle.gone(process);
        },
      },
      log,
      utilPct: ({ uuid }) => ((this.#working.get(uuid) ?? 0) > 0 ? 80 : 0),
      read: (device, utilPct) => this.#oracle.read(device, utilPct),
      programOf: (command) => programs.get(command.at(-1) ?? "")!,
      fell: (name, error) => this.#fell(name, error),
    });
    this.#oracle.world = this.#world;
    this.#oracle.wasUnattended = (host) => this.#wasUnattended(host);
  }

  async play(): Promise<Outcome> {
    const { guests, owners, faults } = this.#scenario;
    this.#world.start();
    for (const guest of guests) this.#at(guest.atMs, () => void this.#submit(guest));
    for (const act of owners) this.#at(act.atMs, () => void this.#act(act));
    for (const fault of faults) this.#at(fault.atMs, () => this.#await(fault));
    await this.#scheduler.run(activeMs, () => this.#oracle.violations.length > 0);
    // Faults end by themselves, each in its time.
    this.#note("healing");
    while (this.#oracle.violations.length === 0 && this.#scheduler.nowMs < healedByMs && !this.#isHealed())
      await this.#scheduler.run(this.#scheduler.nowMs + 1_000, () => this.#oracle.violations.length > 0);
    if (this.#oracle.violations.length === 0) await this.#checkEnd();
    this.#world.end();
    return {
      seed: this.#scenario.seed,
      violations: this.#oracle.violations,
      hash: this.#trace.digest("hex").slice(0, 16),
      happened: this.#scheduler.happened,
      starts: this.#oracle.starts,
      guests: guests.length,
      coverage: this.#coverage,
    };
  }

  #at(ms: number, act: () => void): void {
    this.#scheduler.after(ms - this.#scheduler.nowMs, act);
  }

  #note(text: string): void {
    const line = `${this.#scheduler.nowMs.toFixed(3)} ${text}`;
    this.#trace.update(line);
    this.#say?.(line);
  }

  /** A process that ends by itself is started again; that it does must have a reason that a fault explains. */
  #fell(name: string, error: unknown): void {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    this.#note(`fell ${name} ${code} ${String(error)}`);
    const isExpected = ["REDIS_UNREACHABLE", "REDIS_UNSUITABLE", "LEADERSHIP_LOST"].includes(code);
    if (!isExpected)
      this.#oracle.violated(
        "defect",
        `${name} ended: ${error instanceof Error ? error.stack : String(error)}`,
      );
  }

  // Submitters

  async #submit({ key, spec, cancelAtMs }: PlannedGuest): Promise<void> {
    this.#open.add(key);
    const submissions = [{ spec, idempotencyKey: key }];
    const [outcome] = await this.#untilAnswered((desks) => desks.guests.submit(submissions));
    if (outcome === undefined || "refused" in outcome) {
      this.#oracle.violated("I4", `${key} was refused`);
      return;
    }
    this.#accepted.set(key, outcome.accepted.id);
    this.#acceptedAtMs.set(outcome.accepted.id, this.#scheduler.nowMs);
    this.#note(`accepted ${key} ${outcome.accepted.id}`);
    if (cancelAtMs === null) return;
    await this.#world.outside.waits(Math.max(0, cancelAtMs - this.#scheduler.nowMs));
    await this.#untilAnswered((desks) => desks.guests.cancel(outcome.accepted.id, "the plan says so"));
  }

  /** At whichever controller answers. */
  async #untilAnswered<T>(ask: (desks: Desks) => Promise<T>): Promise<T> {
    const { outside, network } = this.#world;
    for (;;) {
      const at = this.#someController();
      if (at !== null)
        try {
          return await call(network, outside, at.life, () => ask(at.desks));
        } catch (thrown) {
          this.#note(`asked in vain: ${String(thrown)}`);
        }
      await outside.waits(300);
    }
  }

  #someController(): { life: Life; desks: Desks } | null {
    const up = this.#world.controllers.flatMap(({ life, desks }) =>
      life === null || desks === null ? [] : [{ life, desks }],
    );
    return up.length === 0 ? null : this.#random.pick(up);
  }

  // Owners

  async #act(act: OwnerAct): Promise<void> {
    if (act.kind === "recalls") await this.#recall(act);
    if (act.kind === "announces")
      await Promise.race([
        this.#untilAnswered((desks) =>
          desks.owners.busy({ kind: "devices", uuids: [act.device] }, act.worksMs + 1_000, "sim"),
        ),
        this.#world.outside.waits(act.deadlineMs),
      ]);
    this.#note(`owner works on ${act.device}`);
    this.#working.set(act.device, (this.#working.get(act.device) ?? 0) + 1);
    await this.#world.outside.waits(act.worksMs);
    this.#working.set(act.device, (this.#working.get(act.device) ?? 0) - 1);
    this.#note(`owner leaves ${act.device}`);
  }

  /** Resolves when the device is free, or its owner waits no longer. */
  async #recall(act: OwnerAct): Promise<void> {
    const { outside } = this.#world;
    await Promise.race([this.#followRecall(act), outside.waits(act.deadlineMs + 500)]);
  }

  async #followRecall(act: OwnerAct): Promise<void> {
    const { outside, network, agents } = this.#world;
    const order: RecallOrder = {
      target: { kind: "devices", uuids: [act.device] },
      deadlineMs: act.deadlineMs,
      firstRung: act.firstRung,
      reason: "sim",
      holdMs: null,
    };
    for (;;) {
      const agent = agents.find(({ devices }) => devices.some(({ uuid }) => uuid === act.device));
      const at = act.asksAgent
        ? agent?.life && agent.desk && { life: agent.life, desk: agent.desk }
        : this.#controllerDesk();
      if (at)
        try {
          const progress = stream(network, outside, at.life, (signal) => {
            this.#note(`recall of ${act.device} is heard`);
            this.#heard(act);
            return at.desk.recall(order, signal);
          });
          for await (const { stage } of progress)
            if (stage === "released" || stage === "deadline_missed") return;
        } catch (thrown) {
          this.#note(`recall in vain: ${String(thrown)}`);
        }
      await outside.waits(200);
    }
  }

  #controllerDesk() {
    const at = this.#someController();
    return at && { life: at.life, desk: at.desks.owners };
  }

  /** From here on the deadline counts. */
  #heard(act: OwnerAct): void {
    const [fromMs, slackMs] = [this.#scheduler.nowMs, act.deadlineMs * 0.03 + 100];
    this.#scheduler.after(act.deadlineMs + slackMs, () => {
      const late = this.#oracle.onDevice(act.device).filter(({ startedAtMs }) => startedAtMs <= fromMs);
      for (const process of late)
        if (process.start.program.diesAfterMs < 200 && !this.#excuses(fromMs, this.#scheduler.nowMs))
          this.#oracle.violated("I5", `${process.start.guestId} is on ${act.device} after the deadline`);
    });
  }

  /** More than one thing was broken at a time: the promise holds for one. */
  #excuses(fromMs: number, toMs: number): boolean {
    const lingersMs = 5_000;
    return this.#strikesBetween(fromMs - lingersMs, toMs).length > 1;
  }

  #strikesBetween(fromMs: number, toMs: number): Fault[] {
    return this.#struck
      .filter(({ fault, atMs }) => atMs <= toMs && atMs + fault.lastsMs >= fromMs)
      .map(({ fault }) => fault);
  }

  /** Both who could end a guest there, its agent and its keeper, were away not long ago. */
  #wasUnattended(host: string): boolean {
    const { nowMs } = this.#scheduler;
    const { terms } = this.#scenario.settings;
    const near = this.#strikesBetween(nowMs - 2 * terms.termMs, nowMs);
    const hit = (name: string) => near.some((fault) => "process" in fault && fault.process === name);
    return hit(host) && hit(keeperOf(host));
  }

  // Faults

  /** Inflicts it now, or when a lease enters the state that it waits for; it does not wait for ever. */
  #await(fault: Fault): void {
    const { onEntering, behindMs } = fault;
    if (onEntering === null) {
      this.#inflict(fault);
      return;
    }
    let isDue = false;
    const due = (inMs: number) => {
      if (isDue) return;
      isDue = true;
      for (const off of [giveUp, ...waits]) off();
      this.#scheduler.after(inMs, () => this.#inflict(fault));
    };
    const giveUp = this.#scheduler.after(faultWaitsMsMax, () => due(0));
    const waits = this.#agentsUnder(fault).map((agent) => agent.onceEntered(onEntering, () => due(behindMs)));
  }

  #inflict(fault: Fault): void {
    const { atMs: _, ...what } = fault;
    this.#note(`fault ${JSON.stringify(what)}`);
    this.#struck.push({ fault, atMs: this.#scheduler.nowMs });
    const states = this.#agentsUnder(fault).flatMap((agent) => agent.leaseStates());
    count(this.#coverage, rowOf(fault, this.#leader()), states);
    const { network, redis, agents } = this.#world;
    const processOf = (name: string): Struck | undefined =>
      this.#processes().find((each) => each.name === name);
    const later = (act: () => void) => this.#scheduler.after(fault.lastsMs, act);
    switch (fault.kind) {
      case "kill":
        if (fault.process === "redis") {
          redis.crash();
          const lossMs = this.#lossMs();
          later(() => redis.restart(lossMs));
        } else {
          const process = processOf(fault.process);
          process?.kill();
          later(() => process?.start());
        }
        break;
      case "stop": {
        const stopped = fault.process === "redis" ? redis : processOf(fault.process)?.life;
        stopped?.stop();
        later(() => stopped?.resume());
        break;
      }
      case "reboot": {
        const agent = agents.find(({ name }) => name === fault.host);
        agent?.reboot();
        later(() => agent?.start());
        break;
      }
      case "cut":
        network.cut(fault.from, fault.to);
        later(() => network.mend(fault.from, fault.to));
        break;
      case "isolate":
        for (const { name } of this.#world.controllers) {
          this.#cutWithin(fault.out, fault.host, name);
          this.#cutWithin(fault.back, name, fault.host);
        }
        break;
      case "jump":
        this.#hostOf(fault.host)?.jump(fault.byMs);
        break;
      case "drift":
        this.#hostOf(fault.host)?.drift(fault.rate);
        later(() => this.#hostOf(fault.host)?.drift(1));
        break;
      case "disk_full": {
        const files = agents.find(({ name }) => name === fault.host)?.files;
        if (files === undefined) break;
        files.isFull = true;
        later(() => {
          files.isFull = false;
        });
        break;
      }
      case "redis_slow":
        redis.slow(200);
        later(() => redis.slow(1));
        break;
      case "redis_read_only":
        redis.goReadOnly();
        later(() => redis.refuseWrites(null));
        break;
      case "redis_disk_full":
        redis.refuseWrites(diskFullReply);
        later(() => redis.refuseWrites(null));
        break;
      case "redis_older":
        redis.restoreSnapshot(this.#lossMs());
        break;
      case "connections_break":
        network.habits = { ...network.habits, breaks: 0.02 };
        later(() => {
          network.habits = { ...network.habits, breaks: 0 };
        });
        break;
    }
  }

  #cutWithin({ fromMs, toMs }: Span, from: string, to: string): void {
    const { network } = this.#world;
    this.#scheduler.after(fromMs, () => network.cut(from, to));
    this.#scheduler.after(toMs, () => network.mend(from, to));
  }

  /** Whose leases it may hurt. */
  #agentsUnder(fault: Fault): AgentProcess[] {
    const names = new Set<unknown>(Object.values(fault));
    const { agents } = this.#world;
    const struck = agents.filter(({ name, keeper }) => names.has(name) || names.has(keeper.name));
    return struck.length > 0 ? struck : agents;
  }

  /** The name of the controller that took the lead last. */
  #leader(): string {
    return this.#world.redis.space.hget(zoneKeys(this.#scenario.settings.zone).lead, "holder") ?? "";
  }

  #processes(): Struck[] {
    const { controllers, agents } = this.#world;
    return [...controllers, ...agents, ...agents.map(({ keeper }) => keeper)];
  }

  /** How much Redis forgets of what came before now. */
  #lossMs(): number {
    const { nowMs } = this.#scheduler;
    const lossMs = this.#random.between(0, this.#scenario.redisLossMsMax);
    this.#forgotten.push({ fromMs: nowMs - lossMs, toMs: nowMs });
    return lossMs;
  }

  /** Accepted into a Redis whose AOF may forget so much: lost as documented. */
  #wasForgotten(id: string): boolean {
    const answeredMs = this.#acceptedAtMs.get(id) ?? Infinity;
    return this.#forgotten.some(({ fromMs, toMs }) => fromMs - 50 <= answeredMs && answeredMs - 50 <= toMs);
  }

  #hostOf(name: string) {
    return name === "redis"
      ? this.#world.redis.host
      : this.#processes().find((each) => each.name === name)?.host;
  }

  // The end

  #isHealed(): boolean {
    return (
      this.#scheduler.nowMs > activeMs + 15_000 &&
      this.#struck.length === this.#scenario.faults.length &&
      this.#struck.every(({ fault, atMs }) => this.#scheduler.nowMs > atMs + fault.lastsMs + 5_000) &&
      this.#accepted.size === this.#open.size &&
      [...this.#accepted.values()].every((id) => this.#hasEnded(id) || this.#wasForgotten(id)) &&
      this.#oracle.alive.size === 0
    );
  }

  #recordOf(id: string): Pick<GuestRecord, "state" | "endedAtMs" | "failures"> | null {
    const text = this.#world.redis.space.hget(zoneKeys(this.#scenario.settings.zone).guests, id);
    return text === null ? null : (JSON.parse(text) as GuestRecord);
  }

  #hasEnded(id: string): boolean {
    return (this.#recordOf(id)?.endedAtMs ?? null) !== null;
  }

  /** What a submitter would be told. */
  async #why(id: string): Promise<string> {
    let told = "nobody answers";
    const asked = this.#untilAnswered((desks) => desks.guests.explain(id));
    void asked.then(({ reasonCode, reason }) => {
      told = `${reasonCode}: ${reason}`;
    });
    await this.#scheduler.run(this.#scheduler.nowMs + 5_000, () => false);
    return told;
  }

  async #checkEnd(): Promise<void> {
    for (const key of this.#open) {
      const id = this.#accepted.get(key);
      if (id === undefined) this.#oracle.violated("liveness", `${key} was never accepted`);
      else if (this.#wasForgotten(id)) continue;
      else if (!this.#hasEnded(id))
        this.#oracle.violated(
          "liveness",
          `${key} (${id}) has not ended: ${await this.#why(id)} ${JSON.stringify(this.#recordOf(id))}`,
        );
      else if (this.#recordOf(id)?.state === "succeeded" && (this.#oracle.completions.get(id) ?? 0) === 0)
        this.#oracle.violated("I4", `${key} (${id}) succeeded, and never ran to its end`);
    }
    for (const id of this.#accepted.values()) {
      const [counted, seen] = [this.#recordOf(id)?.failures ?? 0, this.#oracle.failures.get(id) ?? 0];
      if (counted > seen)
        this.#oracle.violated("I9", `${id} failed ${seen} times, and ${counted} are counted`);
    }
    this.#checkReasons();
    for (const process of this.#oracle.alive)
      this.#oracle.violated("liveness", `${process.start.guestId}:${process.start.attempt} still runs`);
    await this.#checkLeft();
    await this.#checkLent();
    for (const { books } of this.#world.controllers)
      for (const [device, account] of books.account.devices) {
        const elapsedUs = (account.bookedMs - account.beganMs) * 1_000;
        const bookedUs = books.bookedUs.get(device) ?? 0;
        if (elapsedUs !== bookedUs)
          this.#oracle.violated("I8", `${device}: ${bookedUs} of ${elapsedUs} device-µs are booked`);
      }
    await this.#checkSameBooks();
  }

  /** Nothing is kept for leases that have ended (I11). */
  async #checkLeft(): Promise<void> {
    const { space } = this.#world.redis;
    const { leases, devices } = zoneKeys(this.#scenario.settings.zone);
    const left = () =>
      [leases, devices].flatMap((key) => [...space.hentries(key)].map(([field]) => `${key} ${field}`));
    await this.#until(() => left().length === 0);
    for (const what of left()) this.#oracle.violated("I11", `nothing is lent, and ${what} is left in Redis`);
  }

  /** Every device is lent again: as many guests as there are devices all run at the same time. */
  async #checkLent(): Promise<void> {
    if (this.#oracle.violations.length > 0) return;
    this.#note("every device is to be lent again");
    for (const proof of this.#scenario.proofs) void this.#submit(proof);
    const devices = this.#scenario.hosts.flatMap((host) => host.devices);
    const isLent = (device: string) => this.#oracle.onDevice(device).length > 0;
    await this.#until(() => devices.every(({ uuid }) => isLent(uuid)));
    for (const { uuid } of devices)
      if (!isLent(uuid))
        this.#oracle.violated(
          "liveness",
          `${uuid} is not lent again: ${await this.#why(this.#accepted.get(`proof ${uuid}`) ?? "")}`,
        );
  }

  /** Or until it is given up. */
  async #until(holds: () => boolean): Promise<void> {
    const giveUpAtMs = this.#scheduler.nowMs + againMsMax;
    while (!holds() && this.#scheduler.nowMs < giveUpAtMs && this.#oracle.violations.length === 0)
      await this.#scheduler.run(this.#scheduler.nowMs + 200, () => this.#oracle.violations.length > 0);
  }

  /**
   * Each controller keeps them all the time, and all have begun before the first fault: once they have read as far as each
   * other, they say the same (I8).
   */
  async #checkSameBooks(): Promise<void> {
    if (this.#forgotten.length > 0) return;
    for (const { name, books } of this.#world.controllers)
      if (books.missedTo !== null) this.#oracle.violated("I8", `the books of ${name} missed entries`);
    if (this.#oracle.violations.length > 0) return;
    const [first, ...others] = this.#world.controllers.map(({ books }) => books);
    const isAsFar = (books: BooksFile) => books.lastId() === first!.lastId();
    await this.#until(() => others.every(isAsFar));
    const said = ({ bookedUs, account: { devices, leases } }: BooksFile) =>
      JSON.stringify([[...bookedUs], [...devices], [...leases]]);
    for (const books of others)
      if (!isAsFar(books))
        this.#oracle.violated("I8", "two controllers' books are never as far as each other");
      else if (said(books) !== said(first!)) this.#oracle.violated("I8", "two controllers' books differ");
  }

  /** Every loan that the books know of was decided for a reason, by a forecast that has a name (I7). */
  #checkReasons(): void {
    // Each leader books what the one before has left.
    const events = this.#world.controllers.flatMap(({ books }) => books.events);
    const reasoned = (event: LedgerEvent) =>
      (event.type === "lent" || event.type === "decision") &&
      event.reason !== "" &&
      event.forecastHash !== "";
    const known = (type: "lent" | "decision") =>
      new Set(events.flatMap((event) => (event.type === type && reasoned(event) ? [event.leaseId] : [])));
    const [lent, decided] = [known("lent"), known("decision")];
    // A new leader tells its books once more of what is lent.
    for (const event of events)
      if (event.type === "lent" && !(lent.has(event.leaseId) && decided.has(event.leaseId)))
        this.#oracle.violated("I7", `${event.leaseId} was lent, and nobody knows why`);
  }
}
