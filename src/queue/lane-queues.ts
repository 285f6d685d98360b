export interface NewJob {
  readonly guestId: string;
  readonly data: string;
  readonly timestampMs: number;
  /** 0 or less: at once. */
  readonly delayMs: number;
}

export interface ClaimedJob {
  readonly id: string;
  readonly job: { readonly data: string; readonly progress: unknown };
}

export type ClaimAnswer = ClaimedJob | { readonly id: null };

/**
 * All lanes, on one connection: durable first-in first-out queues of jobs, each of which is moved only by who holds its
 * lock. A refusal, for instance because another leader has the lock, is thrown as INTERNAL.
 */
export interface LaneQueues {
  /** All in one pipeline, whatever their lanes. Adding a job that is there changes nothing. */
  add(jobs: readonly NewJob[]): Promise<void>;
  /** Takes the lane's first job whose time has come; it is active and locked then. */
  claim(laneId: string, token: string): Promise<ClaimAnswer>;
  /** To the head of its lane. */
  putBack(guestId: string, token: string): Promise<void>;
  /** To the end of its lane, once the time has come. */
  putBackLater(guestId: string, token: string, nowMs: number, delayMs: number): Promise<void>;
  setProgress(guestId: string, progress: object): Promise<void>;
  remove(guestId: string): Promise<void>;
}
