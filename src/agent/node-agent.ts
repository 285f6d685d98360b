import type { RecallDesk } from "../api/ports.ts";
import { isLive } from "../core/lease.ts";
import { every } from "../runtime/clock.ts";
import type { AgentOptions } from "./agent.ts";
import { assemble, type Parts } from "./assemble.ts";
import { dumpOf } from "./debug-dump.ts";
import { adoptLeases } from "./lease/adoption.ts";
import type { Machine } from "./machine.ts";
import type { LeaseRunner } from "./lease/lease-runner.ts";

/** How often the agent looks after what no event tells of. */
const tickMs = 1_000;

/** How long a stopping agent waits for the controller to take its last reports. */
const farewellMsMax = 2_000;

/** A stopping agent gives no guest a longer notice, whatever it asked for: who stops us does not wait for ever. */
const lastNoticeMsMax = 20_000;

/** One agent in motion: its samples, its stream, its tick. */
export class NodeAgent {
  readonly #parts: Parts;
  readonly #leaving = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #stopTicking = () => {};
  #stopWatching = () => {};

  constructor(options: AgentOptions, machine: Machine) {
    this.#parts = assemble(options, machine);
  }

  get desk(): RecallDesk {
    return this.#parts.desk;
  }

  /** Takes up the guests and recalls of an earlier agent. */
  async adopt(): Promise<void> {
    const { table, dirs, ended, desk, disk, duties } = this.#parts;
    const { logger } = this.#parts.options;
    this.#stopWatching = disk.watch(
      dirs.exits,
      (name) => table.ofAttempt(name)?.look(),
      (err) => logger.error({ err }, "ends of guests are noticed later from now on"),
    );
    for (const attempt of await adoptLeases({ ...this.#parts, logger })) ended.add(attempt);
    duties.flush();
    desk.takeUp();
  }

  run(recallAddress: string): void {
    const { signal } = this.#leaving;
    this.#stopTicking = every(this.#parts.clock, tickMs, () => this.#lookAfter());
    this.#running = Promise.all([this.#sample(signal), this.#parts.conversation.run(recallAddress, signal)]);
  }

  debugDump(): object {
    return dumpOf(this.#parts);
  }

  /** Tells every guest to leave, and waits until all have, or are quarantined, and the controller knows. */
  async vacateAll(): Promise<void> {
    const cause = { mover: "controller", sinceMs: null, recallId: "", detail: "the agent stops" } as const;
    this.#parts.starter.close();
    const runners = this.#parts.table.all().filter((runner) => isLive(runner.state));
    for (const runner of runners)
      runner.dispatch({ type: "vacate", noticeMs: Math.min(runner.record.noticeMs, lastNoticeMsMax), cause });
    // The ladder ends each of them, one way or the other.
    while (runners.some((runner) => isLive(runner.state))) await this.#parts.clock.sleep(20);
    const giveUpAtMs = this.#parts.clock.monotonicMs() + farewellMsMax;
    while (this.#owesReports() && this.#parts.clock.monotonicMs() < giveUpAtMs)
      await this.#parts.clock.sleep(20);
  }

  async close(): Promise<void> {
    this.#leaving.abort();
    this.#stopTicking();
    this.#stopWatching();
    const { table, desk, book, clock, fence, runtime, disk, duties, leftovers } = this.#parts;
    desk.close();
    await Promise.all(table.all().map((runner) => runner.close()));
    duties.flush();
    leftovers.close();
    await this.#running;
    await disk.close();
    await fence.settle();
    book.close();
    runtime.release();
    clock.close();
  }

  #owesReports(): boolean {
    const { table, conversation } = this.#parts;
    const owes = ({ record, state }: LeaseRunner) =>
      record.unacknowledged.length > 0 || record.lastStep?.state !== state;
    return conversation.isConnected && table.all().some(owes);
  }

  /** Owner first: each sample reaches the guests before it goes to the controller. */
  async #sample(signal: AbortSignal): Promise<void> {
    const { options, owners, conversation } = this.#parts;
    const { source, logger } = options;
    try {
      for await (const batch of source.samples(signal)) {
        for (const sample of batch) owners.take(sample);
        conversation.sendSamples(batch);
      }
      if (!signal.aborted) logger.warn("telemetry has ended: from here on its devices are unknown");
    } catch (err) {
      logger.error({ err }, "telemetry broke: from here on its devices are unknown");
    }
  }

  #lookAfter(): void {
    const { clock, devices, owners, table, conversation, kept, duties, leftovers, options } = this.#parts;
    clock.refresh();
    if (devices.refresh()) conversation.devicesGrew();
    if (conversation.isConnected) kept.lookAfter();
    owners.checkSilence();
    for (const runner of table.all()) {
      runner.sweep();
      runner.log.rotate().catch((err: unknown) => {
        options.logger.error({ err, lease: runner.record.leaseId }, "a log could not be rotated");
      });
    }
    leftovers.sweep();
    duties.lookAfter();
  }
}
