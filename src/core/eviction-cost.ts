/** What it costs to end a lease. */
export interface VictimLease {
  readonly id: string;
  /** Thousandths of a device, summed over the whole gang. */
  readonly permille: number;
  /** Measured; null: no checkpoint was ever written. */
  readonly checkpointAgeMs: number | null;
  readonly workedMs: number;
  /** What starting it again takes. */
  readonly startMs: number;
  /** By the guest's own hint, below 0 where it runs longer; null: it gave none. */
  readonly remainingMs: number | null;
  /** The deadline leaves it the whole of its notice; otherwise it is killed before it can write a checkpoint. */
  readonly hasNotice: boolean;
  /** It ends in any case: by an earlier recall, or because it was cancelled. */
  readonly isLeaving: boolean;
  /** How often it was evicted before. */
  readonly evictions: number;
  /** How often it may still be; 0: with the next one its guest fails. */
  readonly evictionsLeft: number;
}

/** A guest that ends within this time is left to end; one whose hint is over for longer was wrong, and has no such claim. */
const finishingWithinMs = 60_000;
/** More than any work is worth. */
const lastResortMs = 1e12;
/** Believed: every second guest that checkpoints at all, and has its whole notice, saves what it did since. */
const lostOnNotice = 0.5;
/** Each earlier eviction weighs as so much lost work, so that not always the same guest goes. */
const repeatMs = 60_000;

/**
 * Device ms that are lost with a lease, on all of its devices: the work since its last checkpoint and a new start, and more the
 * oftener it was evicted. Guests that are about to finish, or have no eviction left, go last.
 */
export function evictionCostMs(lease: VictimLease): number {
  const { permille, checkpointAgeMs, workedMs, startMs, remainingMs } = lease;
  if (lease.isLeaving) return 0;
  const saves = lease.hasNotice && checkpointAgeMs !== null;
  // The age is wall time, in which the guest may have been paused: it cannot lose more than it worked.
  const atRiskMs = Math.min(checkpointAgeMs ?? workedMs, workedMs);
  const lostMs = (saves ? lostOnNotice : 1) * atRiskMs + startMs + lease.evictions * repeatMs;
  const isFinishing = remainingMs !== null && Math.abs(remainingMs) <= finishingWithinMs;
  const goesLast = isFinishing || lease.evictionsLeft <= 0;
  return (permille / 1000) * lostMs + (goesLast ? lastResortMs : 0);
}

export function costOf(leases: Iterable<VictimLease>): number {
  let costMs = 0;
  for (const lease of leases) costMs += evictionCostMs(lease);
  return costMs;
}
