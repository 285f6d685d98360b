import type { DeviceRules } from "../rules.ts";
import { endCostS, type DeviceLease, type EndCause } from "./device-lease.ts";

/** An owner who comes back so soon after a loan came back early. */
const earlyS = 120;

/** What a policy did and what it was worth, over any number of devices; GPU-seconds and counts. */
export class DeviceTally {
  readonly #rules: DeviceRules;
  leases = 0;
  readonly ends: Record<EndCause, number> = { owner: 0, vacated: 0, unknown: 0, trace_end: 0 };
  runningS = 0;
  /** What ran beyond the guests' starts. */
  grossS = 0;
  /** Of that, what evictions did not take back. */
  usefulS = 0;
  /** Lends of what was not idle. */
  violations = 0;
  /** Decisions that did not apply. */
  ignored = 0;
  /** Guests that were paused because their device was not idle any more. */
  ownerPauses = 0;
  /** Guests that ran when the owner met them: they were paused, or ended at once. */
  meetings = 0;
  /** Leases that were met within two minutes of their begin. */
  earlyReturns = 0;
  #leasesNetS = 0;

  constructor(rules: DeviceRules) {
    this.#rules = rules;
  }

  get netS(): number {
    return this.#leasesNetS - this.#rules.penaltyS * this.violations;
  }

  /** A lease that has ended. */
  add({ runningS, resumes }: DeviceLease, cause: EndCause): void {
    const { startS, resumeS, penaltyS } = this.#rules;
    const afterStartS = Math.max(0, runningS - startS);
    this.leases += 1;
    this.ends[cause] += 1;
    this.runningS += runningS;
    this.grossS += afterStartS;
    this.usefulS += cause === "owner" ? Math.max(0, afterStartS - penaltyS) : afterStartS;
    this.#leasesNetS += runningS - startS - endCostS(this.#rules, cause) - resumeS * resumes;
  }

  pausedByOwner(lease: DeviceLease, atS: number): void {
    this.ownerPauses += 1;
    this.met(lease, atS);
  }

  met(lease: DeviceLease, atS: number): void {
    this.meetings += 1;
    if (!lease.met && atS - lease.beginS <= earlyS) this.earlyReturns += 1;
    lease.met = true;
  }
}
