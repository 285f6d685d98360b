/** Every slack up to this, then `PER_OCTAVE` to the doubling: pools of thousands of GPUs cost little more than small ones. */
const EXACT_MAX = 32;
const PER_OCTAVE = 8;

/**
 * The slacks at which a pool's hazards are computed, ascending. The slack of a level is how many GPUs its owner must take
 * until it is taken: 1 for the highest idle level. A point stands for the levels from it up to the next point.
 */
export function slackGrid(gpusMax: number): Int32Array {
  const points: number[] = [];
  for (let slack = 1; slack <= gpusMax; slack = slackAfter(slack)) points.push(slack);
  return Int32Array.from(points);
}

function slackAfter(slack: number): number {
  return slack < EXACT_MAX ? slack + 1 : Math.ceil(slack * 2 ** (1 / PER_OCTAVE));
}

/** How many of the grid's points are slacks of idle levels. */
export function pointsUpTo(grid: Int32Array, idle: number): number {
  let points = Math.min(grid.length, idle);
  while (points > 0 && grid[points - 1]! > idle) points--;
  return points;
}
