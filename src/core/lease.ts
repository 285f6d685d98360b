import type { Grant } from "./guest.ts";

/**
 * The life of a lease. `released` and `quarantined` are final for the lease; a quarantined device needs a later proof
 * before it is lent again (I10).
 */
export type LeaseState =
  | "starting"
  | "running"
  | "paused"
  | "vacating"
  | "killing"
  | "released"
  | "quarantined";

export type LiveLeaseState = Exclude<LeaseState, "released" | "quarantined">;

/** Who or what moved a lease. */
export type Mover = "controller" | "guest" | "activity" | "owner" | "term" | "budget";

/** A lease is fenced by (generation, number), compared in that order (I2). */
export interface FencingToken {
  readonly generation: number;
  readonly number: number;
}

/** Negative, 0 or positive as `a` is older than, equal to or newer than `b`. */
export function compareTokens(a: FencingToken, b: FencingToken): number {
  return a.generation - b.generation || a.number - b.number;
}

/** The loan of devices to one attempt of one guest. */
export interface Lease {
  readonly id: string;
  readonly guestId: string;
  readonly tenant: string;
  /** From 1. */
  readonly attempt: number;
  readonly host: string;
  readonly token: FencingToken;
  /** Of the leader that lent it. */
  readonly epoch: number;
  readonly grants: readonly Grant[];
  readonly trustGroup: string;
  readonly state: LeaseState;
  /** Wall clock, ms. */
  readonly lentAtMs: number;
  /** Since when it is in this state. */
  readonly stateSinceMs: number;
  /** Steps applied so far; the next report must carry a larger one. */
  readonly step: number;
}

/** Names a lease at one of its steps, whoever speaks of it and however often. */
export function momentOf({ token, step }: Pick<Lease, "token" | "step">): string {
  return `${token.generation}-${token.number}-${step}`;
}

/**
 * Which state may follow which. Total on purpose: the compiler asks for a row when a state is added.
 * A lease may end from anywhere; it never comes back from vacating, and never leaves a final state.
 */
export const leaseTransitions: Readonly<Record<LeaseState, Readonly<Record<LeaseState, boolean>>>> = {
  starting: row("running", "paused", "vacating", "killing", "released", "quarantined"),
  running: row("paused", "vacating", "killing", "released", "quarantined"),
  paused: row("running", "vacating", "killing", "released", "quarantined"),
  vacating: row("killing", "released", "quarantined"),
  killing: row("released", "quarantined"),
  released: row(),
  quarantined: row("released"),
};

function row(...allowed: LeaseState[]): Record<LeaseState, boolean> {
  const none = {
    starting: false,
    running: false,
    paused: false,
    vacating: false,
    killing: false,
    released: false,
    quarantined: false,
  };
  for (const state of allowed) none[state] = true;
  return none;
}

export function isLive(state: LeaseState): state is LiveLeaseState {
  return state !== "released" && state !== "quarantined";
}

/** What is known of an attempt once it ended. */
export interface LeaseEnd {
  /** null: ended by a signal, or never ran. */
  readonly exitCode: number | null;
  readonly exitSignal: string;
  /** From the newest checkpoint file to the end of the work; null: none was ever written. */
  readonly checkpointAgeMs: number | null;
  /** Neither starting nor paused. */
  readonly workedMs: number;
  /** From SIGTERM to the exit of the last process; null: no SIGTERM was sent. */
  readonly vacateMs: number | null;
}

/**
 * How an attempt ended, for the guest's books (I9): evictions never count against `retries`.
 * Exit 0: done. Exit 85: checkpointed, put me back. Ended because somebody took the device: an eviction.
 * `lost`: its agent or host vanished. Anything else is the guest's own failure.
 */
export type AttemptOutcome = "done" | "checkpointed" | "evicted" | "failed" | "cancelled" | "lost";
