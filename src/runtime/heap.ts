import { setFlagsFromString } from "node:v8";

/** Of what lives: how much more a heap may hold before it is collected, %. */
const growthPct = 100;

/**
 * By itself V8 lets a heap grow to four times what lives in it before it collects, and comes near that over many minutes: a
 * process that serves would seem to leak for as long. Counts for all threads of this process, from the next collection on.
 */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${growthPct}`);
}
