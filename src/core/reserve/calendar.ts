/** An owner's word that a pool will be wanted. Plain data: from a file, a calendar or a call. */
export interface Announcement {
  readonly pool: string;
  readonly fromS: number;
  readonly toS: number;
  /** So many GPUs, those at work already among them; null: all. */
  readonly gpus: number | null;
}

/** What owners announced, by pool. */
export class Calendar {
  #byPool = new Map<string, readonly Announcement[]>();

  /** In place of all that was announced before. */
  replace(announcements: readonly Announcement[]): void {
    this.#byPool = Map.groupBy(announcements, ({ pool }) => pool);
  }

  /** The most GPUs of the pool that any announcement claims from one time to before another. */
  claimed(pool: string, fromS: number, toS: number): number {
    let most = 0;
    for (const { fromS: starts, toS: ends, gpus } of this.#byPool.get(pool) ?? [])
      if (starts < toS && ends > fromS) most = Math.max(most, gpus ?? Infinity);
    return most;
  }
}
