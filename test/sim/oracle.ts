import type { PlannedGuest, Scenario } from "./plan.ts";
import { compareTokens, type FencingToken } from "../../src/core/lease.ts";
import type { LeaseRecord } from "../../src/agent/disk/lease-record.ts";
import type { GuestProcess, Witness } from "./world/guests.ts";
import type { Scheduler } from "./world/scheduler.ts";
import type { World } from "./world/world.ts";

export interface Violation {
  readonly invariant: string;
  readonly atMs: number;
  readonly text: string;
}

/** From the sample that shows the owner to the freeze of the last process, with room for a slow kernel. */
const computeBackMs = 100;

/** Watches what really happens, from outside of everything that Gleaner believes. */
export class Oracle implements Witness {
  readonly violations: Violation[] = [];
  readonly #scheduler: Scheduler;
  readonly #guests: ReadonlyMap<string, PlannedGuest>;
  readonly #alive = new Set<GuestProcess>();
  /** By lease. */
  readonly #tokens = new Map<string, FencingToken>();
  /** By device: the newest token of those that have gone. */
  readonly #newestOfEnded = new Map<string, FencingToken>();
  /** By device: what telemetry said last, and when. */
  readonly #read = new Map<string, { readonly utilPct: number; readonly atMs: number }>();
  readonly #staleMs: number;
  /** By a guest's id. */
  readonly completions = new Map<string, number>();
  /** By a guest's id: attempts whose program ended with another code than 0 or 85. */
  readonly failures = new Map<string, number>();
  readonly keys = new Map<string, string>();
  starts = 0;
  world!: World;
  /** Agent and keeper of a host were both away: two faults at once, of which Gleaner stands one. */
  wasUnattended: (host: string) => boolean = () => false;

  constructor(scenario: Scenario, scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.#guests = new Map([...scenario.guests, ...scenario.proofs].map((guest) => [guest.key, guest]));
    this.#staleMs = scenario.settings.telemetry.staleMs;
  }

  get alive(): ReadonlySet<GuestProcess> {
    return this.#alive;
  }

  violated(invariant: string, text: string): void {
    this.violations.push({ invariant, atMs: this.#scheduler.nowMs, text });
  }

  /** An agent has read what telemetry says of a device. */
  read(device: string, utilPct: number): void {
    this.#read.set(device, { utilPct, atMs: this.#scheduler.nowMs });
    if (utilPct > 0) this.#expectCompute(device);
  }

  /** The owner's compute is back soon after its agent saw it, unless the agent fell or stood still meanwhile. */
  #expectCompute(device: string): void {
    const agent = this.world.agents.find(({ devices }) => devices.some(({ uuid }) => uuid === device));
    const life = agent?.life ?? null;
    if (life === null) return;
    const before = this.onDevice(device);
    life.after(computeBackMs, () => {
      if ((this.#read.get(device)?.utilPct ?? 0) === 0) return;
      for (const process of before)
        if (
          process.isComputing &&
          !process.isLeaving &&
          !process.isDying &&
          process.ranForMs >= computeBackMs
        )
          this.violated("I0", `${process.start.guestId} computes on ${device}, whose owner works`);
    });
  }

  started(process: GuestProcess): void {
    this.starts += 1;
    const { guestId, attempt, devices } = process.start;
    const name = `${guestId}:${attempt} on ${process.host.name}`;
    // One that has had its SIGKILL will never compute again, however long the kernel holds on to it.
    for (const other of this.#alive)
      if (other.start.guestId === guestId && !other.isDying && !this.wasUnattended(other.host.name))
        this.violated(
          "I3",
          `${name} starts while attempt ${other.start.attempt} lives on ${other.host.name}`,
        );
    for (const device of devices) {
      const others = [...this.#alive].filter(({ start }) => start.devices.includes(device));
      const taken = [...others, process].reduce((sum, each) => sum + this.#shareOf(each), 0);
      if (taken > 1_000)
        this.violated(
          others.some((other) => other.isDying) ? "I10" : "I1",
          `${name}: ${device} is lent ${taken} ‰`,
        );
      this.#checkToken(name, device, process);
      const read = this.#read.get(device);
      if (read === undefined || read.utilPct > 0)
        this.violated("I6", `${name}: the owner of ${device} is not known to be away`);
      else if (this.#scheduler.nowMs - read.atMs > this.#staleMs + 100)
        this.violated("I6", `${name}: ${device} was read last ${this.#scheduler.nowMs - read.atMs} ms ago`);
    }
    this.#alive.add(process);
  }

  gone(process: GuestProcess): void {
    this.#alive.delete(process);
    const token = this.#tokens.get(`${process.start.guestId}:${process.start.attempt}`);
    for (const device of token === undefined ? [] : process.start.devices) {
      const newest = this.#newestOfEnded.get(device);
      if (newest === undefined || compareTokens(token!, newest) > 0) this.#newestOfEnded.set(device, token!);
    }
    const { guestId } = process.start;
    if (process.hasFailed) this.failures.set(guestId, (this.failures.get(guestId) ?? 0) + 1);
    if (process.completed) this.completions.set(guestId, (this.completions.get(guestId) ?? 0) + 1);
  }

  onDevice(device: string): GuestProcess[] {
    return [...this.#alive].filter(({ start }) => start.devices.includes(device));
  }

  #shareOf({ start }: GuestProcess): number {
    return this.#guests.get(start.name)?.spec.shape.sharePermille ?? 1_000;
  }

  #checkToken(name: string, device: string, { start, host }: GuestProcess): void {
    const agent = this.world.agents.find((each) => each.name === host.name);
    const text = agent?.files.read(`/${host.name}/guests/${start.guestId}/${start.attempt}/state.json`);
    if (text === null || text === undefined) {
      this.violated("I2", `${name} runs, and nothing of it is on disk`);
      return;
    }
    const { token } = JSON.parse(text) as LeaseRecord;
    // Two that share a device may start side by side, in either order.
    const newest = this.#newestOfEnded.get(device);
    if (newest !== undefined && compareTokens(token, newest) <= 0)
      this.violated(
        "I2",
        `${name}: token ${token.generation}.${token.number} after ${newest.generation}.${newest.number}`,
      );
    this.#tokens.set(`${start.guestId}:${start.attempt}`, token);
  }
}
