import type { Desks } from "../api/server.ts";

/** Desks that stay the same for the server while whoever sits at them changes. */
export class Reception {
  readonly desks: Desks;
  #now: () => Desks;

  constructor(first: Desks) {
    this.#now = () => first;
    this.desks = {
      guests: forwarding(() => this.#now().guests),
      owners: forwarding(() => this.#now().owners),
      reports: forwarding(() => this.#now().reports),
      agents: forwarding(() => this.#now().agents),
    };
  }

  /** `now` is asked at each call. Calls that have begun stay where they are. */
  seat(now: () => Desks): void {
    this.#now = now;
  }
}

function forwarding<Desk extends object>(current: () => Desk): Desk {
  return new Proxy({} as Desk, {
    get: (_, name): unknown => {
      const desk = current();
      const method: unknown = Reflect.get(desk, name);
      return typeof method === "function" ? method.bind(desk) : method;
    },
  });
}
