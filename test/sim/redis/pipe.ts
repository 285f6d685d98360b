import type { Life } from "../world/process.ts";
import type { Cancel, Scheduler } from "../world/scheduler.ts";
import type { RedisLink, Way } from "./link.ts";

interface Message<T> {
  readonly leavesAtMs: number;
  readonly arrivesAtMs: number;
  readonly items: readonly T[];
  /** Nothing comes behind it. */
  readonly isLast: boolean;
}

export interface PipeEnds<T> {
  readonly way: Way;
  readonly link: RedisLink;
  readonly scheduler: Scheduler;
  /** Whose turn an arrival is. */
  readonly receiver: Life;
  readonly arrived: (items: readonly T[]) => void;
  readonly ended: () => void;
  /** The network carried nothing for too long. */
  readonly gaveUp: () => void;
}

/** Linux repeats what is not acknowledged for about so long before it gives a connection up. */
const stallMsMax = 924_000;

/** One direction of a TCP connection: nothing overtakes, and where the way is down all of it waits. */
export class Pipe<T> {
  readonly #ends: PipeEnds<T>;
  #underWay: Message<T>[] = [];
  #stalled: Cancel | null = null;
  #isShut = false;

  constructor(ends: PipeEnds<T>) {
    this.#ends = ends;
  }

  /** `afterMs`: until it leaves. */
  send(items: readonly T[], afterMs = 0): void {
    this.#put(items, afterMs, false);
  }

  /** What was sent before still arrives. */
  end(): void {
    this.#put([], 0, true);
    this.#isShut = true;
  }

  /** Of what is under way some still arrives, and then the end. */
  break(): void {
    if (this.#isShut) return;
    const { scheduler, link } = this.#ends;
    const items = this.#underWay
      .filter(({ leavesAtMs }) => leavesAtMs <= scheduler.nowMs)
      .flatMap((message) => message.items);
    this.#underWay = [];
    this.#put(items.slice(0, link.arrive(items.length)), 0, true);
    this.#isShut = true;
  }

  /** Its receiver is no more. */
  destroy(): void {
    this.#isShut = true;
    this.#underWay = [];
    this.#stalled?.();
  }

  #put(items: readonly T[], afterMs: number, isLast: boolean): void {
    if (this.#isShut) return;
    const { scheduler, link, receiver } = this.#ends;
    const leavesAtMs = scheduler.nowMs + afterMs;
    const before = this.#underWay.at(-1)?.arrivesAtMs ?? 0;
    const arrivesAtMs = Math.max(before, leavesAtMs + link.delayMs());
    this.#underWay.push({ leavesAtMs, arrivesAtMs, items, isLast });
    receiver.at(arrivesAtMs, () => this.#arrive());
  }

  #arrive(): void {
    const { scheduler, link, way, arrived, ended } = this.#ends;
    if (this.#stalled !== null) return;
    for (let next = this.#underWay[0]; next !== undefined; next = this.#underWay[0]) {
      if (next.arrivesAtMs > scheduler.nowMs) return;
      if (!link.isUp(way)) {
        this.#stall();
        return;
      }
      this.#underWay.shift();
      if (next.items.length > 0) arrived(next.items);
      if (next.isLast) ended();
    }
  }

  #stall(): void {
    const { scheduler, link, way, receiver, gaveUp } = this.#ends;
    const giveUp = scheduler.after(stallMsMax, () => {
      this.#stalled?.();
      this.#stalled = null;
      gaveUp();
    });
    const forget = link.whenUp(way, () => {
      giveUp();
      this.#stalled = null;
      receiver.after(0, () => this.#arrive());
    });
    this.#stalled = () => {
      giveUp();
      forget();
    };
  }
}
