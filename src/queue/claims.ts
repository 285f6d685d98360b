import type { WaitingGuest } from "../core/guest.ts";
import type { QueuedGuest, WaitingProgress } from "./guest-job.ts";
import { laneIdOf } from "./lane.ts";

/** `held`: waits for its back-off to pass. `leaving`: on its way out of our hands, in Redis at this moment. */
export type ClaimState = "waiting" | "held" | "running" | "leaving";

interface Claim {
  state: ClaimState;
  guest: WaitingGuest;
  readonly submittedAtMs: number;
  /** Of a held one; wall clock. */
  notBeforeMs: number;
  /** Stands in the order, or among those that go into it next. Its place never changes. */
  listed: boolean;
}

/** Claimed guests of one lane. */
export interface LaneClaims {
  waiting: number;
  held: number;
  total: number;
}

const none: Readonly<LaneClaims> = { waiting: 0, held: 0, total: 0 };

/** First is served first: higher priority, then earlier acceptance. */
export function compareWaiting(a: WaitingGuest, b: WaitingGuest): number {
  return b.spec.priority - a.spec.priority || a.sequence - b.sequence;
}

/** The guests that the leader holds: in memory only, Redis has all of it. */
export class Claims {
  readonly #claims = new Map<string, Claim>();
  readonly #lanes = new Map<string, LaneClaims>();
  readonly #held = new Set<string>();
  /** Sorted; some of them wait no more. */
  #order: Claim[] = [];
  #came: Claim[] = [];
  #heads: readonly WaitingGuest[] | null = [];
  #waiting = 0;
  #lanesWaiting = 0;
  #version = 0;

  /** Changes with every change. */
  get version(): number {
    return this.#version;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Lanes with at least one guest among the heads. */
  get lanesWaiting(): number {
    return this.#lanesWaiting;
  }

  get held(): number {
    return this.#held.size;
  }

  has(id: string): boolean {
    return this.#claims.has(id);
  }

  state(id: string): ClaimState | null {
    return this.#claims.get(id)?.state ?? null;
  }

  guest(id: string): WaitingGuest | null {
    return this.#claims.get(id)?.guest ?? null;
  }

  ids(): IterableIterator<string> {
    return this.#claims.keys();
  }

  lane(laneId: string): Readonly<LaneClaims> {
    return this.#lanes.get(laneId) ?? none;
  }

  /** Lanes with more than so many guests among the heads. */
  lanesOver(waitingMax: number): Set<string> {
    const over = new Set<string>();
    for (const [laneId, { waiting }] of this.#lanes) if (waiting > waitingMax) over.add(laneId);
    return over;
  }

  clear(): void {
    this.#claims.clear();
    this.#lanes.clear();
    this.#held.clear();
    this.#order = [];
    this.#came = [];
    this.#heads = [];
    this.#waiting = 0;
    this.#lanesWaiting = 0;
    this.#version += 1;
  }

  /** A guest that was claimed just now, or found claimed. */
  enterWaiting(queued: QueuedGuest, progress: WaitingProgress, nowMs: number): void {
    const { evictions, workedMs, waitingSinceMs, notBeforeMs } = progress;
    const { id, sequence, spec, submittedAtMs } = queued;
    const guest = { id, sequence, spec, waitingSinceMs, evictions, workedMs };
    this.#enter({
      state: notBeforeMs > nowMs ? "held" : "waiting",
      guest,
      submittedAtMs,
      notBeforeMs,
      listed: false,
    });
  }

  enterRunning(queued: QueuedGuest): void {
    const { id, sequence, spec, submittedAtMs } = queued;
    const guest = { id, sequence, spec, waitingSinceMs: submittedAtMs, evictions: 0, workedMs: 0 };
    this.#enter({ state: "running", guest, submittedAtMs, notBeforeMs: 0, listed: false });
  }

  /** False when it does not wait (any more). */
  admit(id: string): boolean {
    const claim = this.#claims.get(id);
    if (claim?.state !== "waiting") return false;
    this.#move(claim, "running");
    return true;
  }

  /** A running guest waits again, at the place that its sequence gives it. */
  waitAgain(id: string, progress: WaitingProgress, nowMs: number): boolean {
    const claim = this.#claims.get(id);
    if (claim?.state !== "running") return false;
    const { evictions, workedMs, waitingSinceMs, notBeforeMs } = progress;
    claim.guest = { ...claim.guest, evictions, workedMs, waitingSinceMs };
    claim.notBeforeMs = notBeforeMs;
    this.#move(claim, notBeforeMs > nowMs ? "held" : "waiting");
    return true;
  }

  /** From now on no head; answers the progress that goes with it, null when it is not ours or leaving already. */
  leave(id: string): WaitingProgress | null {
    const claim = this.#claims.get(id);
    if (claim === undefined || claim.state === "leaving") return null;
    this.#move(claim, "leaving");
    const { evictions, workedMs, waitingSinceMs } = claim.guest;
    return { evictions, workedMs, waitingSinceMs, notBeforeMs: claim.notBeforeMs };
  }

  /** The way out failed: Redis still has it as ours. */
  stay(id: string, state: ClaimState): void {
    const claim = this.#claims.get(id);
    if (claim?.state === "leaving") this.#move(claim, state);
  }

  remove(id: string): void {
    const claim = this.#claims.get(id);
    if (claim === undefined) return;
    this.#move(claim, "leaving");
    this.#claims.delete(id);
    const laneId = laneIdOf(id);
    const lane = this.#lanes.get(laneId)!;
    lane.total -= 1;
    if (lane.total === 0) this.#lanes.delete(laneId);
  }

  /** Those whose back-off has passed wait again. */
  releaseHeld(nowMs: number): void {
    for (const id of this.#held) {
      const claim = this.#claims.get(id)!;
      if (claim.notBeforeMs <= nowMs) this.#move(claim, "waiting");
    }
  }

  /** In order; the same array as long as nothing changed. */
  heads(): readonly WaitingGuest[] {
    if (this.#heads === null) {
      this.#order = merge(this.#order, this.#came.toSorted(compareClaims)).filter(stillWaits);
      this.#came = [];
      this.#heads = this.#order.map(({ guest }) => guest);
    }
    return this.#heads;
  }

  #enter(claim: Claim): void {
    const { id } = claim.guest;
    if (this.#claims.has(id)) return;
    this.#claims.set(id, claim);
    const laneId = laneIdOf(id);
    let lane = this.#lanes.get(laneId);
    if (lane === undefined) this.#lanes.set(laneId, (lane = { ...none }));
    lane.total += 1;
    this.#count(claim, 1);
  }

  #move(claim: Claim, state: ClaimState): void {
    this.#count(claim, -1);
    claim.state = state;
    this.#count(claim, 1);
  }

  #count(claim: Claim, by: 1 | -1): void {
    const { state, guest } = claim;
    const lane = this.#lanes.get(laneIdOf(guest.id))!;
    this.#version += 1;
    if (state === "waiting") {
      if (lane.waiting === (by === 1 ? 0 : 1)) this.#lanesWaiting += by;
      lane.waiting += by;
      this.#waiting += by;
      this.#heads = null;
      if (!claim.listed) this.#came.push(claim);
      claim.listed = true;
    }
    if (state === "held") {
      lane.held += by;
      if (by === 1) this.#held.add(guest.id);
      else this.#held.delete(guest.id);
    }
  }
}

function compareClaims(a: Claim, b: Claim): number {
  return compareWaiting(a.guest, b.guest);
}

function stillWaits(claim: Claim): boolean {
  claim.listed = claim.state === "waiting";
  return claim.listed;
}

/** Of two sorted lists, one of them long: cheaper than to sort both anew. */
function merge(a: readonly Claim[], b: readonly Claim[]): readonly Claim[] {
  if (b.length === 0) return a;
  const merged: Claim[] = [];
  let at = 0;
  for (const claim of a) {
    while (at < b.length && compareClaims(b[at]!, claim) < 0) merged.push(b[at++]!);
    merged.push(claim);
  }
  for (; at < b.length; at += 1) merged.push(b[at]!);
  return merged;
}
