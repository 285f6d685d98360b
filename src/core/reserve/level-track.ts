const SHORT_TICKS = 60;
const BUSY_TICKS = 10;

/** What has been seen of each level of a pool, from level 1 on: level j is idle while at least j GPUs are. */
export class LevelTrack {
  /** Ticks idle so far: 0 at the first, −1 while taken. */
  age = new Int32Array(1);
  /** How often it was taken of late; the share of the last ticks in which it was. */
  returns = new Float32Array(1);
  busy = new Float32Array(1);
  /** Ticks of its last whole runs. */
  lastBusyRun = new Int32Array(1);
  lastIdleRun = new Int32Array(1);
  #busyRun = new Int32Array(1);

  get length(): number {
    return this.age.length - 1;
  }

  /** `idleBefore`: at the tick before, −1 where that is not known. */
  observe(idleBefore: number, idle: number): void {
    for (let level = 1; level < this.age.length; level++) {
      const taken = level > idle;
      const returned = taken && level <= idleBefore ? 1 : 0;
      this.returns[level] = this.returns[level]! * (1 - 1 / SHORT_TICKS) + returned;
      this.busy[level]! += ((taken ? 1 : 0) - this.busy[level]!) / BUSY_TICKS;
      if (taken) this.#take(level);
      else this.#idle(level);
    }
  }

  /** After a gap: every run begins anew. */
  forgetRuns(): void {
    this.age.fill(-1);
    this.#busyRun.fill(0);
  }

  grow(levels: number): void {
    if (levels <= this.length) return;
    const longer = <T extends Int32Array | Float32Array>(to: T, from: T): T => {
      for (const [level, value] of from.entries()) to[level] = value;
      return to;
    };
    const length = levels + 1;
    this.age = longer(new Int32Array(length).fill(-1), this.age);
    this.returns = longer(new Float32Array(length), this.returns);
    this.busy = longer(new Float32Array(length), this.busy);
    this.lastBusyRun = longer(new Int32Array(length), this.lastBusyRun);
    this.lastIdleRun = longer(new Int32Array(length), this.lastIdleRun);
    this.#busyRun = longer(new Int32Array(length), this.#busyRun);
  }

  #take(level: number): void {
    if (this.age[level]! >= 0) this.lastIdleRun[level] = this.age[level]! + 1;
    this.age[level] = -1;
    this.#busyRun[level]!++;
  }

  #idle(level: number): void {
    if (this.#busyRun[level]! > 0) this.lastBusyRun[level] = this.#busyRun[level]!;
    this.#busyRun[level] = 0;
    this.age[level]!++;
  }
}
