import type { Redis } from "ioredis";
import type { GuestSpec, TerminalGuestState } from "../core/guest.ts";
import type { Clock } from "../runtime/clock.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { ask } from "../store/redis-error.ts";
import type { Claims } from "./claims.ts";
import { laneOf } from "./lane.ts";
import type { LaneBook } from "./lane-book.ts";
import type { LaneQueues } from "./lane-queues.ts";
import type { EndAnswer, RunScript } from "./scripts.ts";

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

  /** Ends a guest wherever it is; done twice, it changes nothing. False: its record has not ended, and so neither does it. */
  async finish(guest: KnownGuest, state: TerminalGuestState): Promise<boolean> {
    return (await this.#end(guest, state)) !== "open";
  }

  /** False when it does not wait, waits in the hands of another leader, or has not ended by its record. */
  async cancelWaiting(guest: KnownGuest): Promise<boolean> {
    const state = this.#options.claims.state(guest.id);
    if (state === "running" || state === "leaving") return false;
    return (await this.#end(guest, "cancelled")) === "ended";
  }

  async #end(guest: KnownGuest, state: TerminalGuestState): Promise<Exclude<EndAnswer, "locked">> {
    const { claims, book } = this.#options;
    const before = claims.state(guest.id);
    if (before === null) {
      const answer = await this.#endJob(guest, state, "unclaimed");
      const lane = laneOf(guest.spec);
      if (answer === "ended" && book.get(lane.id) !== null) book.count(lane, -1);
      return answer;
    }
    if (claims.leave(guest.id) === null) return "gone";
    try {
      const answer = await this.#endJob(guest, state, "claimed");
      if (answer === "open") claims.stay(guest.id, before);
      else claims.remove(guest.id);
      return answer;
    } catch (thrown) {
      claims.stay(guest.id, before);
      throw thrown;
    }
  }

  async #endJob(
    { id, spec }: KnownGuest,
    state: TerminalGuestState,
    where: "claimed" | "unclaimed",
  ): Promise<Exclude<EndAnswer, "locked">> {
    const { redis, run, token, clock } = this.#options;
    const outcome =
      state === "succeeded" ? ["completed", "returnvalue", "null"] : ["failed", "failedReason", state];
    const args = [token, where, clock.wallMs(), id, spec.tenant, ...outcome];
    const answer = await ask(redis, run("end", args));
    if (answer === "locked")
      throw new GleanerError("INTERNAL", { problem: `another leader has the lock of guest ${id}` });
    return answer;
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
