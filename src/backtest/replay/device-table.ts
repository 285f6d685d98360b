import type { DeviceMoment, DeviceSample, DeviceVerb } from "../policy.ts";
import type { DeviceRules } from "../rules.ts";
import { DeviceGame } from "../score/device-game.ts";
import type { LeaseWatch } from "../score/device-lease.ts";
import { DeviceTally } from "../score/device-tally.ts";
import type { DeviceTrace } from "../trace/device-trace.ts";

/** Who is told of the leases of a device; null: nobody. */
export type WatchOf = (device: string) => LeaseWatch | null;

/** The devices of a trace and one tally of them all. */
export class DeviceTable {
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
      turnover: new Map(),
    };
  }

  /** Of a device of the trace. */
  game(device: string): DeviceGame | undefined {
    return this.#games.get(device);
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
