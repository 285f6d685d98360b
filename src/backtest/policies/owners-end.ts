import type { IdleEnd } from "../replay/free-gpus.ts";

/** GPUs by which what was seen fades to a part of e. */
const memoryGpus = 200;
/** GPUs from the other end that must be seen on balance before lending changes ends, for that moves every guest. */
const balanceGpus = 10;

/** From which end of a pool's idle GPUs its owners take theirs: guests are safest at the other. Controllers know it by the forecast of each device. */
export class OwnersEnd {
  /** Of GPUs taken: above 0 more of the shortest idle. */
  #lean = 0;
  #other: IdleEnd = "longest_idle";

  /** `place`: among the idle in the mean, 0 idle longest … 1 shortest. */
  took(gpus: number, place: number): void {
    this.#lean = this.#lean * Math.exp(-gpus / memoryGpus) + gpus * (2 * place - 1);
    if (this.#lean > balanceGpus) this.#other = "longest_idle";
    if (this.#lean < -balanceGpus) this.#other = "shortest_idle";
  }

  get other(): IdleEnd {
    return this.#other;
  }
}
