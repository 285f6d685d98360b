import type { Reply } from "./reply.ts";
import type { Request } from "./server.ts";

export type Argument = string | number | readonly Argument[] | ReadonlyMap<string, string | number>;

/** A command on its way, until it is answered or given up; what comes after that changes nothing. */
export class SimCommand implements Request {
  readonly name: string;
  readonly args: readonly string[];
  readonly promise: Promise<unknown>;
  /** Place in its pipeline; null: none. */
  readonly pipelineIndex: number | null;
  isSettled = false;
  isTimed = false;
  runsOutAtMs = Infinity;
  readonly #resolve: (reply: unknown) => void;
  readonly #reject: (error: Error) => void;

  constructor(name: string, args: readonly Argument[], pipelineIndex: number | null = null) {
    this.name = name;
    this.args = words(args, []);
    this.pipelineIndex = pipelineIndex;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get command(): string {
    return this.name;
  }

  answered(reply: Reply): void {
    this.isSettled = true;
    this.#resolve(this.name === "hgetall" ? objectOf(reply as readonly string[]) : reply);
  }

  reject(error: Error): void {
    this.isSettled = true;
    this.#reject(error);
  }
}

/** As ioredis writes arguments: lists and maps one word after the other. */
function words(args: readonly Argument[], into: string[]): string[] {
  for (const arg of args) {
    if (typeof arg === "string") into.push(arg);
    else if (typeof arg === "number") into.push(String(arg));
    else words(arg instanceof Map ? [...arg].flat() : (arg as readonly Argument[]), into);
  }
  return into;
}

function objectOf(entries: readonly string[]): Record<string, string> {
  const object: Record<string, string> = {};
  for (let i = 0; i + 1 < entries.length; i += 2) object[entries[i]!] = entries[i + 1]!;
  return object;
}
