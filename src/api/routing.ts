import type { CallOptions } from "nice-grpc";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { ErrorCode } from "../errors/catalogue.ts";
import type { RecallRequest, RecallResponse } from "../gen/gleaner/v1/owners.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Clients } from "./client.ts";
import { untilItMoves, type RecallStream } from "./recall-moves.ts";

/** How long a call looks for the leader: a take-over is done within 5 s. */
const patienceMs = 10_000;
/** Between two rounds over all addresses. */
const roundMsMin = 50;
const roundMsMax = 500;
/** An owner's recall that was not answered for so long is sent to the next one too: whoever answers first is followed. */
const hedgeMs = 50;
/** Addresses of leaders that were not configured and are kept connected. */
const learnedMax = 8;

/** By which a controller says that another should be asked, or soon the same again. */
const elsewhere: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "NOT_LEADER",
  "LEADERSHIP_LOST",
  "CONTROLLER_SYNCING",
  "SERVER_STOPPING",
]);

type Call = (request: unknown, options?: CallOptions) => unknown;
type Stream = (request: unknown, options?: CallOptions) => AsyncIterable<unknown>;

/** Not to be sent twice unless it says so itself: nobody would know the second for the first. */
const onceOnly = new Set(["submit", "submitBatch", "unhold"]);
const streams = new Set(["watch", "logs", "watchFleet"]);

/** Calls at whichever of several controllers leads; recalls at whichever answers first. */
export class Routing {
  readonly #addresses: readonly string[];
  readonly #connect: (address: string) => Clients;
  readonly #connected = new Map<string, Clients>();
  /** Who answered last. */
  #preferred: string;

  constructor(addresses: readonly [string, ...string[]], connect: (address: string) => Clients) {
    this.#addresses = addresses;
    this.#connect = connect;
    this.#preferred = addresses[0];
  }

  get clients(): Clients {
    const { agents, health } = this.#at(this.#preferred);
    return {
      guests: this.#service("guests"),
      owners: this.#service("owners"),
      reports: this.#service("reports"),
      agents,
      health,
      close: () => {
        for (const clients of this.#connected.values()) clients.close();
      },
    };
  }

  #service<Name extends "guests" | "owners" | "reports">(name: Name): Clients[Name] {
    const call = (address: string, method: string) =>
      (this.#at(address)[name] as unknown as Record<string, Call>)[method]!;
    const get = (_: object, method: string): Call => {
      if (method === "recall") return (request, options) => this.#recall(request as RecallRequest, options);
      if (streams.has(method)) {
        return (request, options) =>
          this.#stream((address) => (call(address, method) as Stream)(request, options));
      }
      return async (request, options) => {
        const [answer] = await this.#found(
          async (address) => [await call(address, method)(request, options)],
          isRepeatable(method, request),
        );
        return answer;
      };
    };
    return new Proxy({} as Clients[Name], { get: get as ProxyHandler<Clients[Name]>["get"] & object });
  }

  #at(address: string): Clients {
    let clients = this.#connected.get(address);
    if (clients === undefined) {
      clients = this.#connect(address);
      this.#connected.set(address, clients);
    }
    return clients;
  }

  /** Asks one after the other until one takes the call; bounded in time. */
  async #found<T>(ask: (address: string) => Promise<T>, isRepeatable = true): Promise<T> {
    const giveUpAtMs = systemClock.monotonicMs() + patienceMs;
    let address = this.#preferred;
    for (let asked = 1; ; asked += 1)
      try {
        const answer = await ask(address);
        this.#preferred = address;
        return answer;
      } catch (thrown) {
        const next = this.#after(address, thrown, isRepeatable);
        if (next === null || systemClock.monotonicMs() > giveUpAtMs) throw thrown;
        const isLed = thrown instanceof GleanerError && next === thrown.details["leader"];
        const rounds = Math.floor(asked / this.#addresses.length) - 1;
        if (!isLed && rounds >= 0)
          await systemClock.sleep(Math.min(roundMsMax, roundMsMin * 2 ** Math.min(rounds, 10)));
        address = next;
      }
  }

  /** null: asking elsewhere would not help, or might do it twice. */
  #after(address: string, thrown: unknown, isRepeatable: boolean): string | null {
    if (!(thrown instanceof GleanerError)) return null;
    const { code, details } = thrown;
    const leader = details["leader"];
    const isNew = typeof leader === "string" && leader !== "" && leader !== address;
    if (isNew && this.#mayLearn(leader)) return leader;
    const next = this.#addresses[(this.#addresses.indexOf(address) + 1) % this.#addresses.length]!;
    if (elsewhere.has(code)) return next;
    const isAway = code === "CONTROLLER_UNREACHABLE" && next !== address;
    return isAway && (isRepeatable || wasNeverSent(thrown)) ? next : null;
  }

  #mayLearn(address: string): boolean {
    return this.#connected.has(address) || this.#connected.size < this.#addresses.length + learnedMax;
  }

  /** Only its beginning is looked for elsewhere: what follows belongs to one controller. */
  async *#stream(open: (address: string) => AsyncIterable<unknown>): AsyncGenerator {
    const { first, rest } = await this.#found(async (address) => {
      const answers = open(address)[Symbol.asyncIterator]();
      return { first: await answers.next(), rest: answers };
    });
    yield* following(first, rest);
  }

  async *#recall(request: RecallRequest, options?: CallOptions): AsyncGenerator<RecallResponse> {
    const beganMs = systemClock.monotonicMs();
    const { address, first, rest, leave } = await this.#found(() => this.#race(request, options));
    const taken = { answers: following(first, rest), leave };
    // Of devices that are named no more than those are taken back, whoever does it.
    const others =
      request.target?.scope?.$case === "devices" ? this.#addresses.filter((other) => other !== address) : [];
    yield* untilItMoves(taken, others, (other) => {
      const elapsedMs = Math.round(systemClock.monotonicMs() - beganMs);
      const { deadlineMs } = request;
      const left = deadlineMs === undefined ? {} : { deadlineMs: Math.max(1, deadlineMs - elapsedMs) };
      return this.#open(other, { ...request, ...left }, options);
    });
  }

  #open(address: string, request: RecallRequest, options: CallOptions = {}): RecallStream {
    const leaving = new AbortController();
    const signal = AbortSignal.any([leaving.signal, ...(options.signal ? [options.signal] : [])]);
    const answers = this.#at(address).owners.recall(request, { ...options, signal });
    return { answers: answers[Symbol.asyncIterator](), leave: () => leaving.abort() };
  }

  /** Throws what the last of them said, where none takes it. */
  async #race(request: RecallRequest, options?: CallOptions) {
    const order = [this.#preferred, ...this.#addresses.filter((address) => address !== this.#preferred)];
    const losers = new Map<string, () => void>();
    const begin = async (address: string) => {
      const { answers: rest, leave } = this.#open(address, request, options);
      losers.set(address, leave);
      return { address, first: await rest.next(), rest, leave };
    };
    const begun: Promise<Awaited<ReturnType<typeof begin>>>[] = [];
    let thrown: unknown = null;
    for (const address of order) {
      const one = begin(address);
      begun.push(one);
      // Rejections are read below, by whoever waits for all.
      one.catch(() => {});
      const isLast = begun.length === order.length;
      const winner = await Promise.any(
        isLast ? begun : [...begun.map(orNever), systemClock.sleep(hedgeMs), failed(begun)],
      ).catch((all: unknown) => {
        thrown = worst(all);
        return undefined;
      });
      if (winner === undefined) continue;
      losers.delete(winner.address);
      // Their recalls go on; the books tell them apart.
      for (const leave of losers.values()) leave();
      this.#preferred = winner.address;
      return winner;
    }
    throw thrown;
  }
}

async function* following<T>(first: IteratorResult<T>, rest: AsyncIterator<T>): AsyncGenerator<T> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

function isRepeatable(method: string, request: unknown): boolean {
  if (!onceOnly.has(method)) return true;
  const { idempotencyKey, requests } = request as {
    idempotencyKey?: string;
    requests?: readonly { readonly idempotencyKey: string }[];
  };
  const keys = requests?.map((each) => each.idempotencyKey) ?? [idempotencyKey ?? ""];
  return keys.length > 0 && keys.every((key) => key !== "");
}

/** What gRPC says when it had no connection to send it by. */
function wasNeverSent({ cause }: GleanerError): boolean {
  return cause instanceof Error && /No connection established/.test(cause.message);
}

/** Its answer, when there is one. */
function orNever<T>(one: Promise<T>): Promise<T> {
  return one.catch(() => new Promise<T>(() => {}));
}

/** Resolves when all of them have failed. */
async function failed(all: readonly Promise<unknown>[]): Promise<undefined> {
  const ends = await Promise.allSettled(all);
  return ends.some(({ status }) => status === "fulfilled") ? new Promise(() => {}) : undefined;
}

/** One that may change by asking again, rather than one that stays. */
function worst(all: unknown): unknown {
  const errors: unknown[] = all instanceof AggregateError ? all.errors : [all];
  const stays = errors.find(
    (error) =>
      error instanceof GleanerError && !elsewhere.has(error.code) && error.code !== "CONTROLLER_UNREACHABLE",
  );
  return stays ?? errors.at(-1);
}
