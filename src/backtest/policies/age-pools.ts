import type { MakePoolPolicy, PoolAction, PoolMoment, PoolPolicy, PoolSample } from "../policy.ts";
import { numberArgument } from "./argument.ts";

/** The least number of idle GPUs in the last while: each level of a pool counts from when it became idle. */
class IdleFloor {
  /** Rising in both: whoever is neither newest nor less than all newer ones cannot become the least. */
  readonly #queue: { timeS: number; idle: number }[] = [];
  #knownSinceS = NaN;

  /** GPUs that have been idle for `ageS`; none before so much was seen without a gap. */
  next(timeS: number, { idle, afterGap }: PoolSample, ageS: number): number {
    if (afterGap) {
      this.#queue.length = 0;
      this.#knownSinceS = timeS;
    }
    while (this.#queue.length > 0 && this.#queue.at(-1)!.idle >= idle) this.#queue.pop();
    this.#queue.push({ timeS, idle });
    while (this.#queue[0]!.timeS < timeS - ageS) this.#queue.shift();
    return timeS - this.#knownSinceS >= ageS ? this.#queue[0]!.idle : 0;
  }
}

/** Lends each of a pool's GPUs once it has been idle for a fixed time; owners take the youngest first. */
class FixedAge implements PoolPolicy {
  readonly #ageS: number;
  readonly #floors = new Map<string, IdleFloor>();

  constructor(ageS: number) {
    this.#ageS = ageS;
  }

  *decide({ timeS, samples }: PoolMoment): Iterable<PoolAction> {
    for (const sample of samples) {
      const { pool } = sample;
      const floor = this.#floors.get(pool) ?? new IdleFloor();
      this.#floors.set(pool, floor);
      yield { pool, lent: floor.next(timeS, sample, this.#ageS), reason: "age_reached" };
    }
  }
}

/** As `age` of devices. */
export const agePools: MakePoolPolicy = (argument) => new FixedAge(numberArgument(argument, "age", 1_800));
