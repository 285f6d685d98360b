/** Names as dense numbers, in the order in which they were first seen. */
export class Names {
  readonly list: string[] = [];
  readonly #indexOf = new Map<string, number>();

  index(name: string): number {
    const known = this.#indexOf.get(name);
    if (known !== undefined) return known;
    this.#indexOf.set(name, this.list.length);
    return this.list.push(name) - 1;
  }
}
