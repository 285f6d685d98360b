import type { OwnerState } from "../../core/device.ts";
import type { DeviceVerb, GuestState } from "../policy.ts";
import type { DeviceRules } from "../rules.ts";
import { DeviceLease, type EndCause, type LeaseWatch } from "./device-lease.ts";
import type { DeviceTally } from "./device-tally.ts";
import { OwnerTimeline } from "./owner-timeline.ts";

/** At the very end of a pause's budget an idle sample still wins: what comes of it is seen a little later. */
const justAfterS = 0.001;

/**
 * One device under the rules: its owner, and at most one guest. All comes in order of time; at equal times the samples before the
 * actions. Between them a sample may lapse and a pause budget run out, both by themselves.
 */
export class DeviceGame {
  readonly timeline: OwnerTimeline;
  readonly #rules: DeviceRules;
  readonly #tally: DeviceTally;
  readonly #watch: LeaseWatch | null;
  #lease: DeviceLease | null = null;

  constructor(rules: DeviceRules, tally: DeviceTally, watch: LeaseWatch | null) {
    this.#rules = rules;
    this.#tally = tally;
    this.#watch = watch;
    this.timeline = new OwnerTimeline(rules, (atS, owner, fits) => this.#onSegment(atS, owner, fits));
  }

  get guest(): GuestState {
    if (this.#lease === null) return "none";
    if (this.#lease.pausedSinceS === null) return "running";
    return this.#lease.pausedByOwner ? "paused_by_owner" : "paused";
  }

  get lease(): DeviceLease | null {
    return this.#lease;
  }

  /** Up to when nothing ends the guest but a sample or an action: at that time `advance` may find that its budget is spent or its device lost. */
  get quietUntilS(): number {
    const spentS = (this.#lease?.pausedSinceS ?? Infinity) + this.#rules.pauseBudgetS;
    return Math.min(this.timeline.lapseS, spentS + Math.max(justAfterS, spentS * Number.EPSILON));
  }

  /** What has happened by itself up to now. */
  advance(nowS: number): void {
    this.timeline.advance(nowS);
    this.#spendBudget(nowS);
  }

  act(atS: number, verb: DeviceVerb): void {
    this.advance(atS);
    const { owner, fits } = this.timeline;
    const lease = this.#lease;
    const canPause = this.#rules.mode === "pause";
    if (verb === "lend" && lease === null) {
      if (owner === "idle" && fits) this.#lease = new DeviceLease(atS, this.#watch);
      else this.#tally.violations += 1;
    } else if (verb === "vacate" && lease !== null)
      // Beside an owner at work a guest is frozen and can save nothing.
      this.#end(lease, atS, owner === "busy" ? "owner" : "vacated");
    else if (verb === "pause" && lease !== null && canPause) lease.pause(atS, false);
    else if (verb === "resume" && lease !== null && lease.pausedSinceS !== null && owner === "idle")
      lease.resume(atS);
    else this.#tally.ignored += 1;
  }

  finish(traceEndS: number): void {
    this.timeline.finish(traceEndS);
    this.#spendBudget(traceEndS);
    if (this.#lease !== null) this.#end(this.#lease, traceEndS, "trace_end");
  }

  #onSegment(atS: number, owner: OwnerState, fits: boolean): void {
    this.#spendBudget(atS);
    const lease = this.#lease;
    if (lease === null) return;
    const byOwner = owner === "busy" || !fits;
    if (!fits || (owner !== "idle" && this.#rules.mode === "kill")) {
      if (byOwner && lease.pausedSinceS === null) this.#tally.met(lease, atS);
      this.#end(lease, atS, byOwner ? "owner" : "unknown");
    } else if (owner !== "idle") {
      if (lease.pausedSinceS === null) this.#tally.pausedByOwner(lease, atS);
      lease.pause(atS, true);
      lease.sawBusy ||= owner === "busy";
    } else if (lease.pausedByOwner) lease.resume(atS);
  }

  #spendBudget(nowS: number): void {
    const lease = this.#lease;
    if (lease === null || lease.pausedSinceS === null) return;
    const spentS = lease.pausedSinceS + this.#rules.pauseBudgetS;
    if (nowS > spentS)
      this.#end(lease, spentS, lease.sawBusy ? "owner" : lease.pausedByOwner ? "unknown" : "vacated");
  }

  #end(lease: DeviceLease, atS: number, cause: EndCause): void {
    lease.end(atS);
    this.#tally.add(lease, cause);
    this.#watch?.ended(lease, cause, atS);
    this.#lease = null;
  }
}
