import type { Redis } from "ioredis";
import type { Settings } from "../config/settings.ts";
import { asGleanerError } from "../errors/gleaner-error.ts";
import type { Logger } from "../runtime/log.ts";
import { LeaseStore, type Candidate, type Lead } from "../store/lease-store.ts";
import { LeadLock } from "./lead-lock.ts";
import type { Surroundings } from "./surroundings.ts";

export interface Win {
  readonly redis: Redis;
  readonly store: LeaseStore;
  readonly lead: Lead;
  readonly lock: LeadLock;
}

interface CandidacyParts {
  readonly candidate: Candidate;
  readonly surroundings: Pick<Surroundings, "clock" | "newId" | "connectRedis">;
  readonly settings: Settings;
  readonly log: Logger;
}

/** After the lock should have expired, so that it has. */
const graceMs = 20;

/** Asks for the lead, for as long as another has it or Redis is away. */
export class Candidacy {
  readonly #parts: CandidacyParts;
  #redis: Redis | null = null;
  #store: LeaseStore | null = null;

  constructor(parts: CandidacyParts) {
    this.#parts = parts;
  }

  /** Once. null: `heldBy` another, or by nobody known while Redis is away. Throws REDIS_UNREACHABLE, REDIS_UNSUITABLE. */
  async ask(): Promise<Win | { readonly heldBy: string; readonly leftMs: number }> {
    const { candidate, surroundings, settings, log } = this.#parts;
    const { clock } = surroundings;
    this.#redis ??= await surroundings.connectRedis();
    const redis = this.#redis;
    this.#store ??= new LeaseStore(redis, settings.zone, { ...settings.ledger, ...settings.queue }, () =>
      surroundings.newId(),
    );
    const store = this.#store;
    const sentAtMs = clock.monotonicMs();
    const taken = await store.campaign(candidate, clock.wallMs());
    if ("heldBy" in taken) return taken;
    const lock = new LeadLock({ store, candidate, sentAtMs, clock, log, settings });
    // An answer that was long on its way says nothing of now.
    if (!lock.isHeld()) await lock.renew();
    return { redis, store, lead: taken, lock };
  }

  /** Until it is won; null: the signal aborted first. `heard` is told where the leader is; empty: not known. */
  async run(heard: (leader: string) => void, signal: AbortSignal): Promise<Win | null> {
    const { surroundings, settings, log } = this.#parts;
    const { renewIntervalMs } = settings.lead;
    let problem = "";
    while (!signal.aborted) {
      let waitMs = renewIntervalMs;
      try {
        const answer = await this.ask();
        if (!("heldBy" in answer)) return answer;
        heard(answer.heldBy);
        problem = "";
        waitMs = Math.min(waitMs, Math.max(0, answer.leftMs) + graceMs);
      } catch (thrown) {
        const error = asGleanerError(thrown);
        heard("");
        // That it goes on is no news.
        if (error.message !== problem)
          log.error({ err: error }, "cannot campaign for the lead; trying again");
        problem = error.message;
      }
      await surroundings.clock.sleep(waitMs, signal);
    }
    return null;
  }

  close(): void {
    this.#redis?.disconnect();
  }
}
