import type { DeviceRules } from "../rules.ts";
import { isEviction, type DeviceLease, type EndCause } from "../score/device-lease.ts";
import type { Guest } from "./guest.ts";
import type { Guests } from "./guests.ts";

/** Guests from their submission to the end of their work: waiting in order of submission, or on a device. */
export class GuestQueue {
  /** All that have come. */
  readonly guests: Guest[] = [];
  readonly #toCome: Guests;
  readonly #rules: DeviceRules;
  /** In order of their places. */
  readonly #waiting: Guest[] = [];
  readonly #lent = new Map<string, Guest>();

  constructor(toCome: Guests, rules: DeviceRules) {
    this.#toCome = toCome;
    this.#rules = rules;
  }

  /** When the next one comes; Infinity: none does. */
  get nextS(): number {
    return this.#toCome.submitS[this.guests.length] ?? Infinity;
  }

  /** Those who wait, in order of their places. */
  get waiting(): readonly Guest[] {
    return this.#waiting;
  }

  /** Takes in those who have come by now. */
  come(nowS: number): void {
    const { durationS, checkpointS } = this.#toCome;
    for (let submitS = this.nextS; submitS <= nowS; submitS = this.nextS) {
      const place = this.guests.length;
      const guest: Guest = {
        place,
        submitS,
        durationS: durationS[place]!,
        checkpointS: checkpointS[place]!,
        doneS: 0,
        lostS: 0,
        waitedS: 0,
        starts: 0,
        evictions: 0,
        state: { is: "waiting", sinceS: submitS },
      };
      this.guests.push(guest);
      this.#waiting.push(guest);
    }
  }

  /** One who waits goes to a device. */
  start(guest: Guest, device: string, atS: number): void {
    if (guest.state.is !== "waiting") throw new Error(`guest ${guest.place} does not wait at ${atS} s`);
    this.#waiting.splice(this.#placeOf(guest), 1);
    guest.waitedS += atS - guest.state.sinceS;
    guest.starts += 1;
    guest.state = { is: "lent" };
    this.#lent.set(device, guest);
  }

  /** For how long a lease must run until the work of its guest is done. */
  enoughS(device: string, { resumes }: DeviceLease): number {
    const { durationS, doneS } = this.#lent.get(device)!;
    return this.#overheadS(resumes) + durationS - doneS;
  }

  /** The work of a device's guest is done: the end of its lease follows. */
  finish(device: string, atS: number): void {
    this.#lent.get(device)!.state = { is: "done", atS };
  }

  /** A lease is over: its guest is done, or back at its place with what it has kept of its work. */
  ended(device: string, { runningS, resumes }: DeviceLease, cause: EndCause, atS: number): void {
    const guest = this.#lent.get(device)!;
    this.#lent.delete(device);
    if (guest.state.is === "done") {
      guest.doneS = guest.durationS;
      return;
    }
    const workS = Math.max(0, runningS - this.#overheadS(resumes));
    const leftS = guest.durationS - guest.doneS;
    if (cause === "trace_end" && workS >= leftS) {
      guest.doneS = guest.durationS;
      guest.state = { is: "done", atS: atS - (workS - leftS) };
      return;
    }
    const evicted = isEviction(this.#rules, cause);
    const lostS = evicted ? workS % guest.checkpointS : 0;
    guest.doneS += workS - lostS;
    guest.lostS += lostS;
    if (evicted) guest.evictions += 1;
    guest.state = { is: "waiting", sinceS: atS };
    this.#waiting.splice(this.#placeOf(guest), 0, guest);
  }

  /** Where a guest stands, or belongs, among those who wait. */
  #placeOf({ place }: Guest): number {
    let from = 0;
    let to = this.#waiting.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#waiting[middle]!.place < place) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #overheadS(resumes: number): number {
    return this.#rules.startS + this.#rules.resumeS * resumes;
  }
}
