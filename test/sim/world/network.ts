import type { Life } from "./process.ts";
import type { Random } from "./random.ts";
import type { Cancel, Scheduler } from "./scheduler.ts";

/** How long a peer may say nothing before its connection is given up. */
const keepaliveMs = 5_000;

export interface NetworkHabits {
  /** Mean of the time that a message travels. */
  readonly delayMs: number;
  /** Chance that a connection breaks under a message, which is lost with it. */
  readonly breaks: number;
}

/** Who can hear whom, and how long it takes. Connections keep the order of their messages, as TCP does. */
export class Network {
  habits: NetworkHabits;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  /** "from>to": nothing gets through. */
  readonly #cut = new Set<string>();
  readonly #blocked = new Map<string, Set<() => void>>();

  constructor(scheduler: Scheduler, random: Random, habits: NetworkHabits) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.habits = habits;
  }

  /** One way only. */
  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  mend(from: string, to: string): void {
    const way = `${from}>${to}`;
    if (!this.#cut.delete(way)) return;
    for (const goOn of this.#blocked.get(way) ?? []) this.#scheduler.after(0, goOn);
    this.#blocked.delete(way);
  }

  passes(from: string, to: string): boolean {
    return !this.#cut.has(`${from}>${to}`);
  }

  delayMs(): number {
    return this.#random.exponential(this.habits.delayMs);
  }

  breaks(): boolean {
    return this.#random.chance(this.habits.breaks);
  }

  /** Calls when the way is mended, unless that is called off before. */
  whenMended(from: string, to: string, goOn: () => void): Cancel {
    const way = `${from}>${to}`;
    const blocked = this.#blocked.get(way) ?? new Set();
    this.#blocked.set(way, blocked.add(goOn));
    return () => blocked.delete(goOn);
  }

  connect<Request, Response>(client: Life, server: Life): Connection<Request, Response> {
    return new Connection(this, this.#scheduler, client, server);
  }
}

/** Messages as they reach one end, in order, until the connection ends there. */
class Inbox<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #end: { readonly error: Error | null } | null = null;
  #wake: (() => void) | null = null;

  get hasEnded(): boolean {
    return this.#end !== null;
  }

  put(item: T): void {
    if (this.#end !== null) return;
    this.#items.push(item);
    this.#wake?.();
  }

  end(error: Error | null): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      while (this.#items.length > 0) yield this.#items.shift()!;
      if (this.#end !== null) {
        if (this.#end.error !== null) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** One direction of a connection. Nothing overtakes. */
class Way<T> {
  readonly inbox = new Inbox<T>();
  readonly #network: Network;
  readonly #scheduler: Scheduler;
  readonly #from: Life;
  readonly #to: Life;
  readonly #broken: () => void;
  readonly #onTheWay: { readonly arrivesAtMs: number; readonly act: () => void }[] = [];
  #isBlocked = false;

  constructor(network: Network, scheduler: Scheduler, from: Life, to: Life, broken: () => void) {
    this.#network = network;
    this.#scheduler = scheduler;
    this.#from = from;
    this.#to = to;
    this.#broken = broken;
  }

  deliver(act: () => void): void {
    const last = this.#onTheWay.at(-1)?.arrivesAtMs ?? 0;
    const arrivesAtMs = Math.max(last, this.#scheduler.nowMs + this.#network.delayMs());
    this.#onTheWay.push({ arrivesAtMs, act });
    this.#scheduler.at(arrivesAtMs, () => this.#arrive());
  }

  /** What is on the way is lost, and the end hears that nothing more comes. */
  break(): void {
    this.#onTheWay.length = 0;
    this.#to.after(this.#network.delayMs(), () => this.inbox.end(broken()));
  }

  #arrive(): void {
    if (this.#isBlocked) return;
    const [from, to] = [this.#from.host.name, this.#to.host.name];
    for (let next = this.#onTheWay[0]; next !== undefined; next = this.#onTheWay[0]) {
      if (next.arrivesAtMs > this.#scheduler.nowMs) return;
      if (!this.#network.passes(from, to)) {
        this.#wait(from, to);
        return;
      }
      this.#onTheWay.shift();
      this.#to.after(0, next.act);
    }
  }

  #wait(from: string, to: string): void {
    this.#isBlocked = true;
    const giveUp = this.#scheduler.after(keepaliveMs, () => {
      forget();
      this.#isBlocked = false;
      this.#broken();
    });
    const forget = this.#network.whenMended(from, to, () => {
      giveUp();
      this.#isBlocked = false;
      this.#arrive();
    });
  }
}

/** A stream in both directions. What one end hears after the other is gone, it hears later. */
export class Connection<Request, Response> {
  readonly #network: Network;
  readonly #up: Way<Request>;
  readonly #down: Way<Response>;

  constructor(network: Network, scheduler: Scheduler, client: Life, server: Life) {
    this.#network = network;
    this.#up = new Way<Request>(network, scheduler, client, server, () => this.#break());
    this.#down = new Way<Response>(network, scheduler, server, client, () => this.#break());
    client.onDeath(() => this.#up.deliver(() => this.#up.inbox.end(broken())));
    server.onDeath(() => this.#down.deliver(() => this.#down.inbox.end(broken())));
  }

  get requests(): AsyncIterable<Request> {
    return this.#up.inbox;
  }

  get responses(): AsyncIterable<Response> {
    return this.#down.inbox;
  }

  ask(message: Request): void {
    this.#send(this.#up, message);
  }

  answer(message: Response): void {
    this.#send(this.#down, message);
  }

  /** One end hangs up; what it sent before still arrives. */
  hangUp(by: "client" | "server", error: Error | null = null): void {
    const [way, own] = by === "client" ? [this.#up, this.#down] : [this.#down, this.#up];
    own.inbox.end(null);
    way.deliver(() => way.inbox.end(error));
  }

  #send<T>(way: Way<T>, message: T): void {
    if (this.#network.breaks()) this.#break();
    else way.deliver(() => way.inbox.put(message));
  }

  /** Both ends hear of it, each in its own time. */
  #break(): void {
    this.#up.break();
    this.#down.break();
  }
}

function broken(): Error {
  return new Error("the connection broke");
}
