import type { OwnerTick } from "./reserve.ts";

const DAY_S = 86_400;
/** Arrivals of one hour belong together. */
const BLOCK_S = 3_600;
/** Standard errors: 95 % of what chance makes of a share lie within. */
const CONFIDENCE = 1.96;
/** Days over which a share is judged to be back. */
const BACK_DAYS = 5;

/** How an owner's limit was held for a while, all as multiples of the limit: 1 is exactly. */
export interface Held {
  readonly share: number;
  /** So far off may chance alone put it, with so few arrivals. */
  readonly noise: number;
}

export function held(ticks: readonly OwnerTick[], stepS: number, max: number): Held {
  const length = Math.round(BLOCK_S / stepS);
  let [arrived, waited, squares] = [0, 0, 0];
  for (let from = 0; from < ticks.length; from += length) {
    const block = ticks.slice(from, from + length);
    const came = sum(block, (tick) => tick.arrived);
    const met = sum(block, (tick) => tick.waited);
    arrived += came;
    waited += met;
    squares += (met - max * came) ** 2;
  }
  return { share: waited / arrived / max, noise: (CONFIDENCE * Math.sqrt(squares)) / arrived / max };
}

/** Within a tenth of the limit, or no farther off than chance may put it. */
export function isHeld({ share, noise }: Held): boolean {
  return Math.abs(share - 1) <= Math.max(0.1, noise);
}

/** The share of lent GPUs among the idle. */
export function lentShare(ticks: readonly OwnerTick[]): number {
  return sum(ticks, ({ lent }) => lent) / sum(ticks, ({ idle }) => idle);
}

/** The most that any day met, every hour a new one. */
export function worstDay(ticks: readonly OwnerTick[], stepS: number, max: number): Held {
  const [day, hour] = [DAY_S / stepS, BLOCK_S / stepS];
  let worst: Held = { share: 0, noise: 0 };
  for (let to = day; to <= ticks.length; to += hour) {
    const one = held(ticks.slice(to - day, to), stepS, max);
    if (one.share > worst.share) worst = one;
  }
  return worst;
}

/** Days from the first tick on until the limit is held over the next days and over all that are left; null: never. */
export function daysUntilHeld(ticks: readonly OwnerTick[], stepS: number, max: number): number | null {
  const day = DAY_S / stepS;
  for (let from = 0; from < ticks.length - BACK_DAYS * day; from += day / 2)
    if ([from + BACK_DAYS * day, ticks.length].every((to) => isHeld(held(ticks.slice(from, to), stepS, max))))
      return from / day;
  return null;
}

function sum(ticks: readonly OwnerTick[], value: (tick: OwnerTick) => number): number {
  return ticks.reduce((total, tick) => total + value(tick), 0);
}
