/** What a pool's owner allows. */
export interface MeetingsLimit {
  readonly devices: number;
  /** null: no limit. */
  readonly meetingsPerGpuDayMax: number | null;
}

interface Debt {
  /** Meetings not yet paid for. */
  meetings: number;
  paidToMs: number;
}

const dayMs = 86_400_000;

/**
 * Holds each pool to its owner's `meetingsPerGpuDayMax` by a leaky bucket: every meeting is a debt, which the pool's devices
 * pay off at the allowed rate, and which may reach one day's worth. Over any T days a pool has at most (T + 1)
 * days' worth of meetings, plus those of the guests that were on devices when the day's worth was reached.
 */
export class MeetingsMeter {
  readonly #debts = new Map<string, Debt>();

  /** An owner's return met a guest. */
  meeting(pool: string, limit: MeetingsLimit, atMs: number): void {
    if (limit.meetingsPerGpuDayMax === null) return;
    const debt = this.#pay(pool, limit, atMs) ?? { meetings: 0, paidToMs: atMs };
    debt.meetings += 1;
    this.#debts.set(pool, debt);
  }

  /** Whether one more meeting would still be within the limit. */
  lendingAllowed(pool: string, limit: MeetingsLimit, nowMs: number): boolean {
    if (limit.meetingsPerGpuDayMax === null) return true;
    if (limit.meetingsPerGpuDayMax === 0) return false;
    const owed = this.#pay(pool, limit, nowMs)?.meetings ?? 0;
    return owed + 1 <= Math.max(1, limit.devices * limit.meetingsPerGpuDayMax);
  }

  /** Keeps a pool in memory only while it owes. */
  #pay(pool: string, { devices, meetingsPerGpuDayMax }: MeetingsLimit, nowMs: number): Debt | undefined {
    const debt = this.#debts.get(pool);
    if (debt === undefined) return undefined;
    const elapsedMs = Math.max(0, nowMs - debt.paidToMs);
    debt.meetings -= ((meetingsPerGpuDayMax ?? 0) * devices * elapsedMs) / dayMs;
    debt.paidToMs += elapsedMs;
    if (debt.meetings > 0) return debt;
    this.#debts.delete(pool);
    return undefined;
  }
}
