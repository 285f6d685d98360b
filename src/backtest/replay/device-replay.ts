import type { DeviceMoment, DevicePolicy, DeviceSample, DeviceVerb } from "../policy.ts";
import type { DeviceRules } from "../rules.ts";
import { DeviceGame } from "../score/device-game.ts";
import type { LeaseWatch } from "../score/device-lease.ts";
import { DeviceTally } from "../score/device-tally.ts";
import type { DeviceTrace } from "../trace/device-trace.ts";

export interface DeviceDecision {
  readonly timeS: number;
  readonly device: string;
  readonly action: DeviceVerb;
  readonly reason: string;
}

export interface DeviceReplay {
  readonly tally: DeviceTally;
  readonly decisions: readonly DeviceDecision[];
}

/** Who is told of the leases of a device; null: nobody. */
type WatchOf = (device: string) => LeaseWatch | null;

/**
 * Plays a policy over a trace on the trace's own clock. Its decisions end with the last sample. `onProgress` is told the part that
 * was played, 0–1, now and then.
 */
export function replayDevices(
  trace: DeviceTrace,
  rules: DeviceRules,
  policy: DevicePolicy,
  onProgress: (part: number) => void,
  watchOf: WatchOf = () => null,
): DeviceReplay {
  const table = new DeviceTable(trace, rules, watchOf);
  const decisions: DeviceDecision[] = [];
  const decide = (timeS: number, samples: readonly DeviceSample[]) => {
    for (const { device, action, reason } of policy.decide(table.moment(timeS, samples))) {
      table.act(timeS, device, action);
      decisions.push({ timeS, device, action, reason });
    }
  };
  let nowS = -Infinity;
  for (const [index, timeS] of trace.timesS.entries()) {
    for (let wakeS = wakeOf(policy); wakeS < timeS; wakeS = wakeOf(policy)) {
      if (!(wakeS > nowS)) throw new Error(`a policy asks at ${nowS} s to be woken at ${wakeS} s`);
      nowS = wakeS;
      decide(nowS, []);
    }
    nowS = timeS;
    decide(nowS, table.observe(index));
    if (index % 256 === 0) onProgress(index / trace.timesS.length);
  }
  return { tally: table.finish(), decisions };
}

/** What decisions that were made in whatever way are worth; in order of time. */
export function playDecisions(
  trace: DeviceTrace,
  rules: DeviceRules,
  decisions: readonly Omit<DeviceDecision, "reason">[],
  watchOf: WatchOf = () => null,
): DeviceTally {
  const table = new DeviceTable(trace, rules, watchOf);
  let next = 0;
  const actBefore = (timeS: number) => {
    for (; next < decisions.length && decisions[next]!.timeS < timeS; next++) {
      const { timeS, device, action } = decisions[next]!;
      table.act(timeS, device, action);
    }
  };
  for (const [index, timeS] of trace.timesS.entries()) {
    actBefore(timeS);
    table.observe(index);
  }
  actBefore(table.traceEndS);
  table.ignore(decisions.slice(next));
  return table.finish();
}

function wakeOf({ wakeAtS = Infinity }: DevicePolicy): number {
  return wakeAtS;
}

/** The devices of a trace and one tally of them all. */
class DeviceTable {
  readonly traceEndS: number;
  readonly #trace: DeviceTrace;
  readonly #tally: DeviceTally;
  readonly #games: Map<string, DeviceGame>;

  constructor(trace: DeviceTrace, rules: DeviceRules, watchOf: WatchOf) {
    this.#trace = trace;
    this.#tally = new DeviceTally(rules);
    this.#games = new Map(
      trace.devices.map((device) => [device, new DeviceGame(rules, this.#tally, watchOf(device))]),
    );
    this.traceEndS = trace.timesS.at(-1)! + rules.holdS;
  }

  /** Takes in the rows of a moment. */
  observe(moment: number): DeviceSample[] {
    const { devices, pools, device, pool, utilPct, memoryUsedMib, timesS, firstRow } = this.#trace;
    const samples: DeviceSample[] = [];
    for (let row = firstRow[moment]!; row < firstRow[moment + 1]!; row++) {
      const name = devices[device[row]!]!;
      const { timeline } = this.#games.get(name)!;
      timeline.sample(timesS[moment]!, utilPct[row]!, memoryUsedMib[row]!);
      samples.push({
        device: name,
        pool: pools[pool[row]!]!,
        utilPct: orNull(utilPct[row]!),
        memoryUsedMib: orNull(memoryUsedMib[row]!),
        owner: timeline.owner,
        fits: timeline.fits,
        sinceS: timeline.sinceS,
      });
    }
    return samples;
  }

  moment(timeS: number, samples: readonly DeviceSample[]): DeviceMoment {
    const at = (device: string) => {
      const game = this.#games.get(device);
      game?.advance(timeS);
      return game;
    };
    return {
      timeS,
      samples,
      owner: (device) => at(device)?.timeline.owner ?? "unknown",
      guest: (device) => at(device)?.guest ?? "none",
    };
  }

  act(atS: number, device: string, verb: DeviceVerb): void {
    const game = this.#games.get(device);
    if (game === undefined) this.#tally.violations += 1;
    else game.act(atS, verb);
  }

  /** Decisions that come after the trace's end; one about a device that the trace does not have is a violation at any time. */
  ignore(decisions: readonly { readonly device: string }[]): void {
    for (const { device } of decisions)
      if (this.#games.has(device)) this.#tally.ignored += 1;
      else this.#tally.violations += 1;
  }

  finish(): DeviceTally {
    for (const game of this.#games.values()) game.finish(this.traceEndS);
    return this.#tally;
  }
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
