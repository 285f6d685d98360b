export interface Scored {
  readonly member: string;
  readonly score: number;
}

/** By score, then by member. */
export class SortedSet {
  readonly #scores: Map<string, number>;
  readonly #order: Scored[];

  constructor(from?: SortedSet) {
    this.#scores = new Map(from === undefined ? [] : from.#scores);
    this.#order = from === undefined ? [] : [...from.#order];
  }

  get size(): number {
    return this.#order.length;
  }

  get order(): readonly Scored[] {
    return this.#order;
  }

  score(member: string): number | null {
    return this.#scores.get(member) ?? null;
  }

  /** True: it is new. */
  add(member: string, score: number): boolean {
    const isNew = !this.delete(member);
    this.#scores.set(member, score);
    this.#order.splice(this.#place(score, member), 0, { member, score });
    return isNew;
  }

  delete(member: string): boolean {
    const score = this.#scores.get(member);
    if (score === undefined) return false;
    this.#scores.delete(member);
    this.#order.splice(this.#place(score, member), 1);
    return true;
  }

  /** The first entry that is not before (score, member). */
  #place(score: number, member: string): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#order[middle]!;
      if (entry.score < score || (entry.score === score && entry.member < member)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
