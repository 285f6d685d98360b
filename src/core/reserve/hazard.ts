import { features, writeLevelFeatures, writePoolFeatures, type Feature } from "./features.ts";
import type { PoolTrack } from "./pool-track.ts";
import { pointsUpTo, slackGrid } from "./slack-grid.ts";
import { layOut, Weights } from "./weights.ts";

/** The written prior: what a level's hazard is taken for while nothing is known. */
const PRIOR_LOGIT = Math.log(0.01);

/** Learned from all pools together. Most relate a level's slack to what rises there were; all cover both minutes and hours. */
const shared = layOut([
  ["slack", "age", "activity"],
  ["slack", "sinceRise"],
  ["slack", "rises"],
  ["slack", "lastRise", "sinceFall"],
  ["slack", "fill"],
  ["age", "returns"],
  ["age", "sinceRise"],
  ["age", "busy"],
  ["age", "lastBusyRun"],
  ["age", "lastIdleRun"],
  ["hour"],
  ["slackToMax", "activity"],
  ["slackToDayMax", "activity"],
  ["slackToScaleFine"],
  ["slackToScale", "hour"],
  ["slackToScale", "fill"],
  ["slackToScale", "trend"],
  ["slackToScale", "deviation"],
  ["slackToScale", "trend", "deviation"],
] satisfies Feature[][]);

/** Learned from each pool by itself, beside the shared ones: what is thin stays near 0 and leaves the word to them. */
const own = layOut([
  ["slack"],
  ["level"],
  ["age"],
  ["sinceRise"],
  ["hour"],
  ["returns"],
  ["slack", "age"],
  ["slack", "sinceRise"],
  ["slack", "sinceRiseFine"],
  ["slack", "rises"],
  ["level", "activity"],
  ["slackToDayMax", "activity"],
  ["slackToScaleFine"],
  ["slackToScale", "hour"],
  ["slackToScale", "fill"],
  ["slackToScale", "trend"],
  ["slackToScale", "deviation"],
] satisfies Feature[][]);

const CROSSINGS = shared.crossings.length + own.crossings.length;

/** What all pools share of the forecast. */
export class HazardModel {
  readonly #weights = new Weights(shared.length);
  readonly #ownScratch = new Float32Array(own.length);

  newPool(): PoolHazard {
    return new PoolHazard(this.#weights, new Weights(own.length, this.#ownScratch));
  }
}

/**
 * For each idle level of a pool, the probability that the owner takes it at the next tick: a logistic model over crossed
 * features, learned tick by tick. Levels are never multiplied: that many GPUs arrive at once is in their slack.
 */
export class PoolHazard {
  /** By the point of the track's grid; of the idle levels only. */
  hazard = new Float64Array(0);
  /** GPUs that are forecast to be claimed at the next tick. */
  expectedArrivals = 0;
  #grid = slackGrid(0);
  #index = new Int32Array(0);
  #idle = 0;
  #points = 0;
  readonly #shared: Weights;
  readonly #own: Weights;
  readonly #features = new Int32Array(features.length);

  constructor(sharedWeights: Weights, ownWeights: Weights) {
    this.#shared = sharedWeights;
    this.#own = ownWeights;
  }

  /** What became of the levels that were forecast: so many are idle at the next tick. */
  learn(idle: number): void {
    for (let point = 0, at = 0; point < this.#points; point++) {
      const taken = this.#idle - this.#grid[point]! + 1 > idle ? 1 : 0;
      const slope = this.hazard[point]! - taken;
      for (let i = 0; i < shared.crossings.length; i++) this.#shared.addSlope(this.#index[at++]!, slope);
      for (let i = 0; i < own.crossings.length; i++) this.#own.addSlope(this.#index[at++]!, slope);
    }
    this.#shared.step();
    this.#own.step();
  }

  predict(track: PoolTrack): void {
    const { grid, idle } = track;
    if (this.#grid !== grid) {
      this.hazard = new Float64Array(grid.length);
      this.#index = new Int32Array(grid.length * CROSSINGS);
    }
    this.#grid = grid;
    this.#idle = idle;
    this.#points = pointsUpTo(grid, idle);
    this.expectedArrivals = 0;
    writePoolFeatures(track, this.#features);
    for (let point = 0, at = 0; point < this.#points; point++) {
      writeLevelFeatures(track, grid[point]!, this.#features);
      let logit = PRIOR_LOGIT;
      for (const crossing of shared.crossings)
        logit += this.#shared.value[(this.#index[at++] = crossing.indexOf(this.#features))]!;
      for (const crossing of own.crossings)
        logit += this.#own.value[(this.#index[at++] = crossing.indexOf(this.#features))]!;
      this.hazard[point] = 1 / (1 + Math.exp(-logit));
      const slackNext = Math.min(idle + 1, grid[point + 1] ?? Infinity);
      this.expectedArrivals += (slackNext - grid[point]!) * this.hazard[point]!;
    }
  }
}
