/** A stretch of work, ms on the agent's clock. */
interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Stretches kept one by one; older ones are only summed up. A checkpoint is hardly ever older than so many pauses. */
const stretchesMax = 64;

/** How long an attempt really worked: neither starting, nor paused, nor leaving. Plain data, kept on disk as it is. */
export interface WorkedTime {
  readonly since: number | null;
  readonly stretches: readonly Stretch[];
  /** Work before the first stretch that is kept. */
  readonly earlierMs: number;
}

export const noWork: WorkedTime = { since: null, stretches: [], earlierMs: 0 };

export function working(work: WorkedTime, nowMs: number): WorkedTime {
  return work.since === null ? { ...work, since: nowMs } : work;
}

export function notWorking(work: WorkedTime, nowMs: number): WorkedTime {
  if (work.since === null) return work;
  const stretches = [...work.stretches, { fromMs: work.since, toMs: nowMs }];
  const dropped = stretches.length > stretchesMax ? stretches.shift()! : { fromMs: 0, toMs: 0 };
  return { since: null, stretches, earlierMs: work.earlierMs + dropped.toMs - dropped.fromMs };
}

/** Work done until now. */
export function workedMs(work: WorkedTime, nowMs: number): number {
  return workedSinceMs(work, -Infinity, nowMs);
}

/** Work done after a time: what would be lost if only the checkpoint of that time were left. */
export function workedSinceMs(
  { since, stretches, earlierMs }: WorkedTime,
  fromMs: number,
  nowMs: number,
): number {
  const all = since === null ? stretches : [...stretches, { fromMs: since, toMs: nowMs }];
  const kept = all.reduce(
    (sum, stretch) => sum + Math.max(0, stretch.toMs - Math.max(stretch.fromMs, fromMs)),
    0,
  );
  const firstMs = all[0]?.fromMs ?? Infinity;
  return fromMs < firstMs ? kept + earlierMs : kept;
}
