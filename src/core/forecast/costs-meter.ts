/** Seconds of one GPU. */
export interface GuestCosts {
  /** From the loan until the guest's work begins. */
  readonly startS: number;
  /** From the notice to the last process's end. */
  readonly vacateS: number;
  /** Work that is lost where the owner ends a lease. */
  readonly evictedS: number;
}

/** What is believed counts as so many guests, and no guest counts for less than one of so many. */
const believedGuests = 10;
const rememberedGuests = 200;

/** What guests' starts, hand-backs and evictions cost of late: means that begin with what is believed. */
export class CostsMeter {
  readonly #means: Record<keyof GuestCosts, Mean>;

  constructor(believed: GuestCosts) {
    this.#means = {
      startS: new Mean(believed.startS),
      vacateS: new Mean(believed.vacateS),
      evictedS: new Mean(believed.evictedS),
    };
  }

  saw(cost: keyof GuestCosts, seconds: number): void {
    this.#means[cost].add(seconds);
  }

  get costs(): GuestCosts {
    const { startS, vacateS, evictedS } = this.#means;
    return { startS: startS.value, vacateS: vacateS.value, evictedS: evictedS.value };
  }
}

class Mean {
  value: number;
  #count = believedGuests;

  constructor(believed: number) {
    this.value = believed;
  }

  add(value: number): void {
    this.#count = Math.min(rememberedGuests, this.#count + 1);
    this.value += (Math.max(0, value) - this.value) / this.#count;
  }
}
