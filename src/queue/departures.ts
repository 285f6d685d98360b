import type { Redis } from "ioredis";
import type { GuestSpec, TerminalGuestState } from "../core/guest.ts";
import type { Clock } from "../runtime/clock.ts";
import { ask } from "../store/redis-error.ts";
import type { Claims } from "./claims.ts";
import { laneOf } from "./lane.ts";
import type { LaneBook } from "./lane-book.ts";
import type { LaneQueues } from "./lane-queues.ts";
import type { RunScript } from "./scripts.ts";

export interface PutBack {
  readonly evictions: number;
  readonly workedMs: number;
  /** Back-off; 0: may be lent again at once. */
  readonly delayMs: number;
}

interface KnownGuest {
  readonly id: string;
  readonly spec: GuestSpec;
}

export interface DeparturesOptions {
  readonly redis: Redis;
  readonly run: RunScript;
  readonly claims: Claims;
  readonly book: LaneBook;
  readonly lanes: LaneQueues;
  readonly token: string;
  readonly lockMs: number;
  /** Guests of one lane whose back-off passes in memory, where they keep their place. */
  readonly heldPerLaneMax: number;
  readonly clock: Clock;
}

/** The ways by which a guest leaves the running ones: back to waiting, or to its end. */
export class Departures {
  readonly #options: DeparturesOptions;

  constructor(options: DeparturesOptions) {
    this.#options = options;
  }

  async putBack(id: string, { evictions, workedMs, delayMs }: PutBack): Promise<void> {
    const { redis, claims, lanes, clock } = this.#options;
    const nowMs = clock.wallMs();
    const notBeforeMs = delayMs > 0 ? nowMs + delayMs : 0;
    const progress = { evictions, workedMs, waitingSinceMs: nowMs, notBeforeMs };
    if (!claims.waitAgain(id, progress, nowMs)) return;
    if (delayMs === 0) return;
    await ask(redis, lanes.setProgress(id, progress));
    await this.#giveUpPlaceIfCrowded(id, delayMs);
  }

  /** Ends a guest wherever it is. Done twice, it changes nothing. */
  async finish(guest: KnownGuest, state: TerminalGuestState): Promise<void> {
    if (this.#options.claims.has(guest.id)) await this.#endClaimed(guest, state);
    else await this.#endUnclaimed(guest, state);
  }

  /** False when it does not wait, or waits in the hands of another leader. */
  async cancelWaiting(guest: KnownGuest): Promise<boolean> {
    const { claims } = this.#options;
    const state = claims.state(guest.id);
    if (state === "running" || state === "leaving") return false;
    if (state === null) return this.#endUnclaimed(guest, "cancelled");
    return this.#endClaimed(guest, "cancelled");
  }

  async #endClaimed({ id, spec }: KnownGuest, state: TerminalGuestState): Promise<boolean> {
    const { redis, run, claims, lanes, token, lockMs, clock } = this.#options;
    const before = claims.state(id);
    if (before === null || claims.leave(id) === null) return false;
    try {
      // The index first: a job that stays behind is found again by recovery, an index entry is not.
      const marked = run("end", [token, lockMs, clock.wallMs(), id, spec.tenant]);
      await ask(redis, Promise.all([marked, lanes.end(id, state, token)]));
    } catch (thrown) {
      claims.stay(id, before);
      throw thrown;
    }
    claims.remove(id);
    return true;
  }

  async #endUnclaimed({ id, spec }: KnownGuest, state: TerminalGuestState): Promise<boolean> {
    const { redis, run, book, clock } = this.#options;
    const outcome =
      state === "succeeded" ? ["completed", "returnvalue", "null"] : ["failed", "failedReason", state];
    const ended = await ask(redis, run("endUnclaimed", [clock.wallMs(), id, spec.tenant, ...outcome]));
    const lane = laneOf(spec);
    if (ended === 1 && book.get(lane.id) !== null) book.count(lane, -1);
    return ended === 1;
  }

  /** Beyond the bound a held guest waits in BullMQ: it goes to the end of its lane then. */
  async #giveUpPlaceIfCrowded(id: string, delayMs: number): Promise<void> {
    const { redis, claims, book, lanes, token, heldPerLaneMax, clock } = this.#options;
    const guest = claims.guest(id);
    if (guest === null || claims.state(id) !== "held") return;
    const lane = laneOf(guest.spec);
    if (claims.lane(lane.id).held <= heldPerLaneMax) return;
    claims.leave(id);
    try {
      await ask(redis, lanes.putBackLater(id, token, clock.wallMs(), delayMs));
    } catch (thrown) {
      claims.stay(id, "held");
      throw thrown;
    }
    claims.remove(id);
    book.postpone(lane, clock.wallMs() + delayMs);
  }
}
