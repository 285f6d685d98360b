/**
 * The rules of the game: what a lease costs and when it ends. Seconds of one GPU, as all of the backtest's values.
 * A lease is worth what it ran, less its start, less its end, less the penalty where the owner ended it, less its resumes.
 */

export type RecallMode = "kill" | "pause";

/** For traces of devices. */
export interface DeviceRules {
  /** What an owner's return does to a guest. */
  readonly mode: RecallMode;
  /** What an end by the owner costs beside `vacateS`. */
  readonly penaltyS: number;
  readonly startS: number;
  /** Every end costs it: the hand-back. */
  readonly vacateS: number;
  readonly resumeS: number;
  /** The longest pause; a guest that is paused for longer is ended. */
  readonly pauseBudgetS: number;
  readonly guestMib: number;
  readonly deviceMib: number;
  /** Utilisation from which on the owner is at work; the least one that is read as more than 0. */
  readonly busyPct: number;
  /** A sample holds until the device's next one, at most so long. */
  readonly holdS: number;
  /** What a device that becomes unknown does to its guest: ends it as a hand-back, or as an eviction with the penalty. */
  readonly unknown: "clean" | "evict";
}

/** For traces of pools. */
export interface PoolRules {
  readonly penaltyS: number;
  readonly startS: number;
  readonly vacateS: number;
  /** How long an arriving owner waits for a lent GPU; reported, not scored. */
  readonly leadS: number;
  /** A step longer than so many usual ones is a gap: nothing is known in it. */
  readonly gapSteps: number;
}

/** For traces of owners' jobs. */
export interface JobRules extends PoolRules {
  /** Owners' work ÷ what the cluster can do from the first submission to the last: says how large it is. */
  readonly load: number;
  /** How often a policy is asked. */
  readonly tickS: number;
  /** Between two checkpoints of a guest; an eviction loses what it did since the last. */
  readonly checkpointS: number;
}

export const defaultDeviceRules: DeviceRules = {
  mode: "kill",
  penaltyS: 300,
  startS: 30,
  vacateS: 10,
  resumeS: 2,
  pauseBudgetS: 600,
  guestMib: 8 * 1_024,
  deviceMib: 48 * 1_024,
  busyPct: 0.01,
  holdS: 90,
  unknown: "clean",
};

export const defaultPoolRules: PoolRules = {
  penaltyS: 300,
  startS: 30,
  vacateS: 10,
  leadS: 5,
  gapSteps: 3,
};

export const defaultJobRules: JobRules = {
  ...defaultPoolRules,
  load: 0.8,
  tickS: 60,
  checkpointS: 300,
};
