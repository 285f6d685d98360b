import { DemandTrack } from "./demand-track.ts";
import { LevelTrack } from "./level-track.ts";
import { slackGrid } from "./slack-grid.ts";

/** A pool as it is at one tick. */
export interface PoolTick {
  readonly timeS: number;
  readonly gpusTotal: number;
  /** min(total, busy + pending). */
  readonly demand: number;
  /** Whole GPUs. */
  readonly idle: number;
  readonly afterGap: boolean;
}

/** What has been seen of one pool up to now: what its forecast may use. Bounded by the pool's size. */
export class PoolTrack {
  readonly levels = new LevelTrack();
  readonly demand = new DemandTrack();
  timeS = 0;
  gpusTotal = 0;
  idle = 0;
  grid = slackGrid(0);

  /** `stepS`: the usual time between ticks. */
  observe({ timeS, gpusTotal, demand, idle, afterGap }: PoolTick, stepS: number): void {
    if (gpusTotal > this.levels.length) {
      this.levels.grow(Math.ceil(gpusTotal));
      this.grid = slackGrid(this.levels.length);
    }
    if (afterGap) this.levels.forgetRuns();
    this.levels.observe(afterGap ? -1 : this.idle, idle);
    this.demand.observe(demand, afterGap, stepS);
    this.timeS = timeS;
    this.gpusTotal = gpusTotal;
    this.idle = idle;
  }
}
