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
  met(pool: string, atMs: number): void {
    const debt = this.#debts.get(pool);
    if (debt === undefined) this.#debts.set(pool, { meetings: 1, paidToMs: atMs });
    else debt.meetings += 1;
  }

  /** Whether one more meeting would still be within the limit. To be asked in every cycle: what was paid by then is written off. */
  lendingAllowed(pool: string, { devices, meetingsPerGpuDayMax }: MeetingsLimit, nowMs: number): boolean {
    if (meetingsPerGpuDayMax === null) return true;
    if (meetingsPerGpuDayMax === 0) return false;
    const perDay = devices * meetingsPerGpuDayMax;
    return this.#owed(pool, perDay, nowMs) + 1 <= Math.max(1, perDay);
  }

  #owed(pool: string, perDay: number, nowMs: number): number {
    const debt = this.#debts.get(pool);
    if (debt === undefined) return 0;
    const elapsedMs = Math.max(0, nowMs - debt.paidToMs);
    debt.meetings -= (perDay * elapsedMs) / dayMs;
    debt.paidToMs += elapsedMs;
    if (debt.meetings > 0) return debt.meetings;
    this.#debts.delete(pool);
    return 0;
  }
}
