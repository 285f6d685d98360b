import type { OwnerState } from "../../core/device.ts";
import { playDecisions, type DeviceDecision } from "../replay/device-replay.ts";
import type { DeviceRules } from "../rules.ts";
import { OwnerTimeline } from "../score/owner-timeline.ts";
import type { DeviceTrace } from "../trace/device-trace.ts";
import { traceBuckets } from "./device-harvest.ts";
import type { TimeBuckets } from "./time-buckets.ts";

const columnsMax = 720;
const rowsMax = 200;

export const mapStates = ["idle", "busy", "unknown", "lent"] as const;
export type MapState = (typeof mapStates)[number];

/** Devices × time. Where there are more devices than rows, some neighbours share one. */
export interface DeviceMap {
  readonly buckets: TimeBuckets;
  readonly rows: readonly MapRow[];
}

export interface MapRow {
  /** The first and the last of them are the same where there is one. */
  readonly first: string;
  readonly last: string;
  /** Of each bucket the state that lasted longest in it; null: the devices were not there. */
  readonly cells: readonly (MapState | null)[];
  readonly seconds: Readonly<Record<MapState, number>>;
}

export function deviceMap(
  trace: DeviceTrace,
  rules: DeviceRules,
  decisions: readonly DeviceDecision[],
): DeviceMap {
  const buckets = traceBuckets(trace, rules.holdS, columnsMax);
  const perRow = Math.ceil(trace.devices.length / rowsMax);
  const rows = Array.from({ length: Math.ceil(trace.devices.length / perRow) }, () => new RowCells(buckets));
  const rowOf = (index: number) => rows[Math.floor(index / perRow)]!;
  addOwners(trace, rules, rowOf);
  const indices = new Map(trace.devices.map((device, index) => [device, index]));
  playDecisions(trace, rules, decisions, (device) => ({
    ran: (fromS, toS) => rowOf(indices.get(device)!).lent(fromS, toS),
    ended: () => {},
  }));
  const nameOf = (index: number) => trace.devices[Math.min(index, trace.devices.length - 1)]!;
  return {
    buckets,
    rows: rows.map((row, index) => row.figures(nameOf(index * perRow), nameOf((index + 1) * perRow - 1))),
  };
}

function addOwners(trace: DeviceTrace, rules: DeviceRules, rowOf: (index: number) => RowCells): void {
  const { timesS, firstRow, device, utilPct, memoryUsedMib } = trace;
  const finishers = trace.devices.map((_, index) => {
    let since: { readonly atS: number; readonly owner: OwnerState } | null = null;
    const turn = (atS: number, owner: OwnerState) => {
      if (since !== null) rowOf(index).add(since.owner, since.atS, atS);
      since = { atS, owner };
    };
    const timeline = new OwnerTimeline(rules, turn);
    return { timeline, turn };
  });
  for (const [moment, timeS] of timesS.entries())
    for (let row = firstRow[moment]!; row < firstRow[moment + 1]!; row++)
      finishers[device[row]!]!.timeline.sample(timeS, utilPct[row]!, memoryUsedMib[row]!);
  const traceEndS = timesS.at(-1)! + rules.holdS;
  for (const { timeline, turn } of finishers) {
    timeline.finish(traceEndS);
    turn(traceEndS, "unknown");
  }
}

class RowCells {
  readonly #buckets: TimeBuckets;
  readonly #secondsOf: Readonly<Record<MapState, Float32Array>>;

  constructor(buckets: TimeBuckets) {
    this.#buckets = buckets;
    const cells = () => new Float32Array(buckets.count);
    this.#secondsOf = { idle: cells(), busy: cells(), unknown: cells(), lent: cells() };
  }

  add(state: OwnerState, fromS: number, toS: number): void {
    this.#buckets.spread(fromS, toS, (bucket, seconds) => (this.#secondsOf[state][bucket]! += seconds));
  }

  /** Guests run while the owner is idle only. */
  lent(fromS: number, toS: number): void {
    this.#buckets.spread(fromS, toS, (bucket, seconds) => {
      this.#secondsOf.lent[bucket]! += seconds;
      this.#secondsOf.idle[bucket]! -= seconds;
    });
  }

  figures(first: string, last: string): MapRow {
    const cells = Array.from({ length: this.#buckets.count }, (_, bucket) => {
      const most = mapStates.reduce((one, other) =>
        this.#secondsOf[other][bucket]! > this.#secondsOf[one][bucket]! ? other : one,
      );
      return this.#secondsOf[most][bucket]! > 0 ? most : null;
    });
    const total = (state: MapState) => this.#secondsOf[state].reduce((sum, seconds) => sum + seconds, 0);
    const seconds = {
      idle: total("idle"),
      busy: total("busy"),
      unknown: total("unknown"),
      lent: total("lent"),
    };
    return { first, last, cells, seconds };
  }
}
