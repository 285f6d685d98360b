import type { DeviceBacktest } from "../backtest-devices.ts";
import type { PoolRules } from "../rules.ts";
import { poolNetS, type PoolTally } from "../score/pool-tally.ts";

const hourS = 3_600;
const dayS = 86_400;

/** What people read, cell by cell; docs/backtest.md says what each figure means. */
export interface Figures {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function deviceFigures({ bounds, deviceS, results }: DeviceBacktest): Figures {
  return {
    head: [
      "policy",
      "net GPU-h",
      "gross",
      "of clairvoyant",
      "meetings/guest-h",
      "meetings/GPU-day",
      "early returns",
      "evictions",
      "wasted",
      "violations",
    ],
    rows: results.map(({ name, tally }) => [
      name,
      hours(tally.netS),
      hours(tally.grossS),
      share(tally.netS, bounds.novacateS),
      per(tally.meetings, tally.runningS / hourS),
      per(tally.meetings, deviceS / dayS),
      share(tally.earlyReturns, tally.leases),
      String(tally.ends.owner),
      share(tally.runningS - tally.usefulS, tally.runningS),
      String(tally.violations),
    ]),
  };
}

/** `named`: what the tallies are of, and their names. */
export function poolFigures(
  named: string,
  tallies: readonly { readonly name: string; readonly tally: PoolTally }[],
  rules: PoolRules,
): Figures {
  return {
    head: [
      named,
      "net GPU-h",
      "lent",
      "of clairvoyant",
      "lent of idle",
      "owners waited",
      "evictions/lent-h",
      "short ticks",
      "evictions",
      "violations",
    ],
    rows: tallies.map(({ name, tally }) => {
      const netS = poolNetS(tally, rules);
      return [
        name,
        hours(netS),
        hours(tally.lentS),
        share(netS, tally.exactS),
        share(tally.lentS, tally.idleS),
        share(tally.waited, tally.arrivals),
        per(tally.evictions, tally.lentS / hourS),
        share(tally.shortTicks, tally.lentTicks),
        String(tally.evictions),
        String(tally.violations),
      ];
    }),
  };
}

/** null where there is nothing to divide by. */
export function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

export function hours(seconds: number): string {
  return (seconds / hourS).toFixed(1);
}

export function percent(share: number | null): string {
  return share === null ? "–" : `${(100 * share).toFixed(1)} %`;
}

/** In percent. */
export function share(part: number, whole: number): string {
  return percent(ratio(part, whole));
}

function per(count: number, whole: number): string {
  return ratio(count, whole)?.toFixed(2) ?? "–";
}
