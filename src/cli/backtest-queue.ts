import type { FiniteQueue } from "../backtest/backtest-devices.ts";
import { guestsAtLoad, medianS, sigma } from "../backtest/guests/guests-at-load.ts";
import { readGuests } from "../backtest/guests/read-guests.ts";
import { windowOrders, type WindowOrder } from "../backtest/guests/window-order.ts";
import type { DeviceRules } from "../backtest/rules.ts";
import { idleRuns } from "../backtest/score/idle-runs.ts";
import type { DeviceTrace } from "../backtest/trace/device-trace.ts";
import { InvalidArgumentError } from "commander";

/** Who waits for a backtest's devices; without guests and load whoever is lent one. */
export interface QueueOptions {
  readonly guests?: string;
  readonly load?: number;
  readonly take: readonly WindowOrder[];
  readonly checkpointS: number;
  readonly seed: number;
}

/** Where the guests of a finite queue come from. */
export interface QueueOrigin {
  /** null: drawn at a load. */
  readonly file: string | null;
  readonly load: number | null;
  /** Of work drawn: log-normal. */
  readonly medianS: number | null;
  readonly sigma: number | null;
  readonly checkpointS: number;
}

export interface QueueSource {
  readonly queue: FiniteQueue;
  readonly origin: QueueOrigin;
}

/** null: a saturated queue. Throws what reading a file throws. */
export async function queueFrom(
  { guests: file, load, take: orders, checkpointS, seed }: QueueOptions,
  trace: DeviceTrace,
  rules: DeviceRules,
): Promise<QueueSource | null> {
  if (file !== undefined) {
    const origin = { file, load: null, medianS: null, sigma: null, checkpointS };
    return { queue: { guests: await readGuests(file, checkpointS), orders }, origin };
  }
  if (load === undefined) return null;
  const guests = guestsAtLoad(idleRuns(trace, rules), load, checkpointS, seed);
  return { queue: { guests, orders }, origin: { file: null, load, medianS, sigma, checkpointS } };
}

export function queueLine({ file, load, medianS, sigma, checkpointS }: QueueOrigin): string {
  const checkpoints = `a checkpoint each ${checkpointS} s`;
  return file === null
    ? `guests' work is ${load} of the idle time, log-normal with a median of ${medianS} s and a sigma of ${sigma}; ${checkpoints}`
    : `guests of ${file}; ${checkpoints} where it names none`;
}

/** For --take. */
export function parseOrders(text: string): WindowOrder[] {
  return text.split(",").map((name) => {
    const order = windowOrders.find((known) => known.replace("_", "-") === name.trim());
    if (order !== undefined) return order;
    throw new InvalidArgumentError(`Use some of ${windowOrders.join(", ").replace("_", "-")}.`);
  });
}
