import type { OwnerState } from "../../core/device.ts";
import type { DeviceRules } from "../rules.ts";
import type { DeviceTrace } from "../trace/device-trace.ts";
import type { EndCause } from "./device-lease.ts";
import { OwnerTimeline } from "./owner-timeline.ts";

/** A longest stretch in which a device can be lent, and what follows it. */
export interface IdleRun {
  readonly beginS: number;
  readonly endS: number;
  /** What ends a lease that is there at its end. */
  readonly cause: EndCause;
  /** A guest of the run before can live through the gap between the two, paused. */
  readonly bridged: boolean;
}

/** Of each device of the trace. */
export function idleRuns(trace: DeviceTrace, rules: DeviceRules): IdleRun[][] {
  const finders = trace.devices.map(() => new RunFinder(rules));
  for (let moment = 0; moment < trace.timesS.length; moment++)
    for (let row = trace.firstRow[moment]!; row < trace.firstRow[moment + 1]!; row++)
      finders[trace.device[row]!]!.timeline.sample(
        trace.timesS[moment]!,
        trace.utilPct[row]!,
        trace.memoryUsedMib[row]!,
      );
  const traceEndS = trace.timesS.at(-1)! + rules.holdS;
  return finders.map((finder) => finder.finish(traceEndS));
}

class RunFinder {
  readonly timeline: OwnerTimeline;
  readonly #rules: DeviceRules;
  readonly #runs: IdleRun[] = [];
  /** null: not in a run. */
  #beginS: number | null = null;
  #gapFits = true;

  constructor(rules: DeviceRules) {
    this.#rules = rules;
    this.timeline = new OwnerTimeline(rules, (atS, owner, fits) => this.#onSegment(atS, owner, fits));
  }

  finish(traceEndS: number): IdleRun[] {
    this.timeline.finish(traceEndS);
    if (this.#beginS !== null) this.#close(this.#beginS, traceEndS, "trace_end");
    return this.#runs;
  }

  #onSegment(atS: number, owner: OwnerState, fits: boolean): void {
    if (owner === "idle" && fits) this.#beginS ??= atS;
    else {
      if (this.#beginS !== null)
        this.#close(this.#beginS, atS, owner === "busy" || !fits ? "owner" : "unknown");
      this.#gapFits &&= fits;
    }
  }

  #close(beginS: number, endS: number, cause: EndCause): void {
    const { mode, pauseBudgetS } = this.#rules;
    const before = this.#runs.at(-1);
    const bridged =
      mode === "pause" && before !== undefined && beginS - before.endS <= pauseBudgetS && this.#gapFits;
    this.#runs.push({ beginS, endS, cause, bridged });
    this.#beginS = null;
    this.#gapFits = true;
  }
}
