import { zoneKeys } from "../store/keys.ts";

/** Where the queue of a zone lies in Redis: BullMQ's keys, and the index that finds guests without asking every lane. */
export interface QueueKeys {
  /** BullMQ's prefix; `jobs:LANE:wait` and so on are BullMQ's, each lane one queue. */
  readonly jobs: string;
  /** Prefix of the index, for the scripts. */
  readonly index: string;
  /** The store's, which alone writes it. Hash: guest → GuestRecord as JSON. */
  readonly records: string;
  /** Hash: lane → descriptor as JSON. */
  readonly lanes: string;
  /** Set: lanes that got guests since the leader last looked. */
  readonly lanesToAsk: string;
  /** Hash: submissions between admission and their jobs, by flush. */
  readonly pending: string;
  /** Hash: tenant → guests that have not ended. */
  readonly open: string;
  /** Sorted set: ended guests by the time of their end. */
  readonly ended: string;
  /** Sorted set by sequence: all guests of the zone. */
  readonly guests: string;
  /** The same for one tenant. */
  guestsOf(tenant: string): string;
}

export function queueKeys(zone: string): QueueKeys {
  const { queuePrefix: jobs, guests: records } = zoneKeys(zone);
  const index = `${jobs}-index`;
  return {
    jobs,
    index,
    records,
    lanes: `${index}:lanes`,
    lanesToAsk: `${index}:lanes-to-ask`,
    pending: `${index}:pending`,
    open: `${index}:open`,
    ended: `${index}:ended`,
    guests: `${index}:guests`,
    guestsOf: (tenant) => `${index}:guests:${tenant}`,
  };
}
