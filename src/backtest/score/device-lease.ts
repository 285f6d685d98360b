import type { DeviceRules } from "../rules.ts";

export type EndCause = "owner" | "vacated" | "unknown" | "trace_end";

/** What an end costs, s. */
export function endCostS(rules: DeviceRules, cause: EndCause): number {
  return rules.vacateS + (isEviction(rules, cause) ? rules.penaltyS : 0);
}

export function isEviction({ unknown }: DeviceRules, cause: EndCause): boolean {
  return cause === "owner" || (cause === "unknown" && unknown === "evict");
}

/** Told of what guests did, lease by lease. */
export interface LeaseWatch {
  /** A guest ran without a pause. */
  ran(fromS: number, toS: number): void;
  ended(lease: DeviceLease, cause: EndCause, atS: number): void;
}

/** A guest on a device: how long it ran, and whether and by whom it is paused. */
export class DeviceLease {
  readonly beginS: number;
  runningS = 0;
  resumes = 0;
  /** null: running. */
  pausedSinceS: number | null = null;
  /** An owner who was not idle since the pause began: the guest resumes by itself at the next idle tick. */
  pausedByOwner = false;
  /** The owner was seen at work in this pause. */
  sawBusy = false;
  /** An owner has met the guest while it ran. */
  met = false;
  readonly #watch: LeaseWatch | null;
  #runningSinceS: number;

  constructor(atS: number, watch: LeaseWatch | null) {
    this.beginS = atS;
    this.#runningSinceS = atS;
    this.#watch = watch;
  }

  pause(atS: number, byOwner: boolean): void {
    if (this.pausedSinceS === null) {
      this.#stop(atS);
      this.pausedSinceS = atS;
      this.sawBusy = false;
    }
    this.pausedByOwner ||= byOwner;
  }

  resume(atS: number): void {
    this.#runningSinceS = atS;
    this.pausedSinceS = null;
    this.pausedByOwner = false;
    this.resumes += 1;
  }

  end(atS: number): void {
    if (this.pausedSinceS === null) this.#stop(atS);
  }

  /** When it will have run for so long if nothing comes between; Infinity while it is paused. */
  ranAtS(ranS: number): number {
    return this.pausedSinceS === null ? this.#runningSinceS + ranS - this.runningS : Infinity;
  }

  #stop(atS: number): void {
    this.runningS += atS - this.#runningSinceS;
    this.#watch?.ran(this.#runningSinceS, atS);
  }
}
