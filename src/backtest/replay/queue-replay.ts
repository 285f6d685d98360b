import { Heap } from "../../core/heap.ts";
import type { SurvivalCurve } from "../../core/survival-curve.ts";
import type { Guest } from "../guests/guest.ts";
import { GuestQueue } from "../guests/guest-queue.ts";
import type { Guests } from "../guests/guests.ts";
import type { Choose } from "../guests/window-order.ts";
import type { DeviceAction, DevicePolicy, DeviceSample } from "../policy.ts";
import type { DeviceRules } from "../rules.ts";
import type { LeaseWatch } from "../score/device-lease.ts";
import type { DeviceTrace } from "../trace/device-trace.ts";
import { wakeOf, type DeviceDecision, type DeviceReplay } from "./device-replay.ts";
import { DeviceTable } from "./device-table.ts";

export interface QueueReplay extends DeviceReplay {
  /** All that came. */
  readonly guests: readonly Guest[];
}

/**
 * Plays a policy over a trace beside a queue that may be empty. What the policy lends is on offer, to the head of the queue
 * first, until the device's next sample or until it is not idle any more. A guest whose work is done hands its device back, whenever
 * that is. Beside that as `replayDevices`.
 */
export function replayQueue(
  trace: DeviceTrace,
  rules: DeviceRules,
  policy: DevicePolicy,
  guests: Guests,
  choose: Choose,
  onProgress: (part: number) => void,
  watch: LeaseWatch,
): QueueReplay {
  const play = new QueuePlay(trace, rules, policy, guests, choose, watch);
  for (const [index, timeS] of trace.timesS.entries()) {
    play.passUntil(timeS);
    play.sample(index, timeS);
    if (index % 256 === 0) onProgress(index / trace.timesS.length);
  }
  return play.finish();
}

/** So many heads that no device on offer suits end the search, as production looks at so many of a lane. */
const refusedMax = 64;

/** When a device with a guest is to be looked at. */
interface Due {
  readonly atS: number;
  /** Of all that were ever noted. */
  readonly nth: number;
  readonly device: string;
}

/** A device that the policy would lend. */
interface Offer {
  readonly reason: string;
  /** How long it was believed to stay idle when that was first asked; undefined: not asked yet, null: nobody knows. */
  curve: SurvivalCurve | null | undefined;
}

class QueuePlay {
  readonly #table: DeviceTable;
  readonly #policy: DevicePolicy;
  readonly #choose: Choose;
  readonly #queue: GuestQueue;
  readonly #decisions: DeviceDecision[] = [];
  /** By device. */
  readonly #offers = new Map<string, Offer>();
  readonly #due = new Heap<Due>(
    (one, other) => one.atS < other.atS || (one.atS === other.atS && one.nth < other.nth),
  );
  /** The earliest of a device. */
  readonly #dueS = new Map<string, number>();
  #noted = 0;
  #decidedS = -Infinity;
  #turnover = new Map<string, boolean>();

  constructor(
    trace: DeviceTrace,
    rules: DeviceRules,
    policy: DevicePolicy,
    guests: Guests,
    choose: Choose,
    watch: LeaseWatch,
  ) {
    this.#policy = policy;
    this.#choose = choose;
    this.#queue = new GuestQueue(guests, rules);
    this.#table = new DeviceTable(trace, rules, (device) => ({
      ran: (fromS, toS) => watch.ran(fromS, toS),
      ended: (lease, cause, atS) => {
        watch.ended(lease, cause, atS);
        this.#queue.ended(device, lease, cause, atS);
      },
    }));
  }

  /** All that happens between two samples of the trace. */
  passUntil(timeS: number): void {
    for (;;) {
      const wakeS = wakeOf(this.#policy);
      const nowS = Math.min(wakeS, this.#queue.nextS, this.#due.first?.atS ?? Infinity);
      if (nowS >= timeS) return;
      this.#settle(nowS);
      if (nowS === wakeS) this.#decide(nowS, []);
      this.#serve(nowS);
    }
  }

  sample(index: number, timeS: number): void {
    const samples = this.#table.observe(index);
    for (const { device } of samples) {
      this.#offers.delete(device);
      this.#note(device);
    }
    this.#settle(timeS);
    this.#decide(timeS, samples);
    this.#serve(timeS);
  }

  finish(): QueueReplay {
    return { tally: this.#table.finish(), decisions: this.#decisions, guests: this.#queue.guests };
  }

  /** What comes by itself: guests who are done or have lost their device, and new ones. */
  #settle(nowS: number): void {
    for (let due = this.#due.first; due !== undefined && due.atS <= nowS; due = this.#due.first) {
      this.#due.removeFirst();
      const { device } = due;
      if (this.#dueS.get(device) === due.atS) this.#dueS.delete(device);
      const game = this.#table.game(device)!;
      game.advance(nowS);
      const { lease } = game;
      if (lease !== null && lease.ranAtS(this.#queue.enoughS(device, lease)) <= nowS) {
        this.#queue.finish(device, nowS);
        this.#act(nowS, { device, action: "vacate", reason: "work_done" });
        this.#turnover.set(device, false);
      }
      this.#note(device);
    }
    this.#queue.come(nowS);
  }

  #decide(nowS: number, samples: readonly DeviceSample[]): void {
    if (!(nowS > this.#decidedS))
      throw new Error(`a policy asks at ${this.#decidedS} s to be woken at ${nowS} s`);
    this.#decidedS = nowS;
    const moment = { ...this.#table.moment(nowS, samples), turnover: this.#turnover };
    const actions = this.#policy.decide(moment);
    this.#turnover = new Map();
    for (const action of actions) {
      const { device, reason } = action;
      const game = this.#table.game(device);
      if (action.action === "lend" && game !== undefined && this.#canLend(device, nowS)) {
        this.#offers.set(device, { reason, curve: undefined });
        this.#turnover.set(device, false);
      } else if (action.action === "vacate" && this.#offers.delete(device)) continue;
      else this.#act(nowS, action);
    }
  }

  /** Brings the heads of the queue and the devices on offer together. */
  #serve(nowS: number): void {
    const { waiting } = this.#queue;
    if (waiting.length === 0 || this.#offers.size === 0) return;
    const devices = this.#lendable(nowS);
    const curveOf = (device: string) => {
      const offer = this.#offers.get(device)!;
      if (offer.curve === undefined) offer.curve = this.#policy.curve?.(device, nowS) ?? null;
      return offer.curve;
    };
    let refused = 0;
    for (const guest of waiting.slice(0, devices.length + refusedMax)) {
      if (devices.length === 0 || refused === refusedMax) return;
      const device = this.#choose(guest, devices, curveOf);
      if (device === null) refused += 1;
      else {
        devices.splice(devices.indexOf(device), 1);
        this.#lend(guest, device, nowS);
      }
    }
  }

  #lend(guest: Guest, device: string, nowS: number): void {
    const { reason } = this.#offers.get(device)!;
    this.#offers.delete(device);
    this.#queue.start(guest, device, nowS);
    this.#act(nowS, { device, action: "lend", reason });
    this.#turnover.set(device, true);
  }

  /** Of the devices on offer those that are idle yet, the longest idle first. */
  #lendable(nowS: number): string[] {
    for (const device of this.#offers.keys()) if (!this.#canLend(device, nowS)) this.#offers.delete(device);
    const sinceS = (device: string) => this.#table.game(device)!.timeline.sinceS;
    return [...this.#offers.keys()].toSorted((one, other) => sinceS(one) - sinceS(other));
  }

  #canLend(device: string, nowS: number): boolean {
    const game = this.#table.game(device)!;
    game.advance(nowS);
    return game.lease === null && game.timeline.owner === "idle" && game.timeline.fits;
  }

  #act(timeS: number, { device, action, reason }: DeviceAction): void {
    this.#table.act(timeS, device, action);
    this.#decisions.push({ timeS, device, action, reason });
    this.#note(device);
  }

  /** Remembers when something comes of itself on a device with a guest; earlier notes of it stay and find nothing. */
  #note(device: string): void {
    const game = this.#table.game(device);
    const lease = game?.lease ?? null;
    if (lease === null) return;
    const atS = Math.min(game!.quietUntilS, lease.ranAtS(this.#queue.enoughS(device, lease)));
    if (!(atS < (this.#dueS.get(device) ?? Infinity))) return;
    this.#due.add({ atS, nth: this.#noted++, device });
    this.#dueS.set(device, atS);
  }
}
