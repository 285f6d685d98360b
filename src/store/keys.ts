/**
 * Every key that a zone has in Redis. The braces are a hash tag: a Redis Cluster keeps one zone on one node, where the
 * scripts can reach all of it.
 */
export interface ZoneKeys {
  /** Hash: epoch, nonce, holder, generation, number (of the last fencing token), atMs (when the lead was taken). */
  readonly lead: string;
  /** Text that expires: who holds the lead now, and where it is reached. */
  readonly lock: string;
  /** Hash: guest → GuestRecord as JSON. No entry: never lent and not ended. */
  readonly guests: string;
  /** Sorted set: ended guests by the time of their end; the oldest records are forgotten. */
  readonly ended: string;
  /** Hash: lease → live Lease as JSON. */
  readonly leases: string;
  /** Hash: lease → Lease as JSON that ended without a proven hand-back. */
  readonly unproven: string;
  /** Hash: device → JSON of what its live leases hold. */
  readonly devices: string;
  /** Hash: device → JSON of why it is out of use, by cause. */
  readonly quarantines: string;
  /** Hash: device → memory used before its guests came, MiB, until it is seen to be free again. */
  readonly memoryBefore: string;
  /** Stream of ledger events that wait for the SQL books. */
  readonly ledger: string;
  /** Hash: controller → the id up to which its books hold the ledger, a space, its wish to be told what stands. */
  readonly books: string;
  /** Text: the id up to which the ledger is forgotten. */
  readonly forgotten: string;
  readonly holds: string;
  readonly hints: string;
  readonly policies: string;
  readonly tenantUsage: string;
  /** For BullMQ, which puts ":" and its own names behind it. */
  readonly queuePrefix: string;
}

export function zoneKeys(zone: string): ZoneKeys {
  const key = (name: string) => `gleaner:{${zone}}:${name}`;
  return {
    lead: key("lead"),
    lock: key("lock"),
    guests: key("guests"),
    ended: key("ended"),
    leases: key("leases"),
    unproven: key("unproven"),
    devices: key("devices"),
    quarantines: key("quarantines"),
    memoryBefore: key("memory-before"),
    ledger: key("ledger"),
    books: key("books"),
    forgotten: key("forgotten"),
    holds: key("holds"),
    hints: key("hints"),
    policies: key("policies"),
    tenantUsage: key("tenant-usage"),
    queuePrefix: key("queue"),
  };
}
