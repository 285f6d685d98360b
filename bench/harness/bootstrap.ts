import { SeededRandom } from "./random.ts";
import { quantile } from "./statistics.ts";

/** 95 % of what chance alone makes of a figure lies between. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

const draws = 2_000;

/**
 * Percentile bootstrap (Efron 1979) over blocks: as many as there are are drawn with replacement, again and again, and the figure
 * is taken of each draw. What depends on each other must lie within one block (a device's day, a pool's week): the interval is
 * as honest as the blocks are independent. Draws of which there is no figure (NaN) are left out. The same seed gives the same
 * interval.
 */
export function bootstrap<Block>(
  blocks: readonly Block[],
  figure: (drawn: readonly Block[]) => number,
  seed = 1,
): Interval {
  const random = new SeededRandom(seed);
  const figures = Array.from({ length: draws }, () => figure(blocks.map(() => random.pick(blocks)))).filter(
    (value) => !Number.isNaN(value),
  );
  return { low: quantile(figures, 0.025), high: quantile(figures, 0.975) };
}

/** Σ of one thing ÷ Σ of another, as a figure of blocks: a rate, a share, a mean. */
export function ratioOf<Block>(
  part: (block: Block) => number,
  whole: (block: Block) => number,
): (blocks: readonly Block[]) => number {
  return (blocks) => {
    let parts = 0;
    let wholes = 0;
    for (const block of blocks) {
      parts += part(block);
      wholes += whole(block);
    }
    return parts / wholes;
  };
}
