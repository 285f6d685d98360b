import type { Life } from "../world/process.ts";
import type { RedisLink } from "./link.ts";
import { Pipe } from "./pipe.ts";
import type { Answer, Peer, Request, SimRedisServer } from "./server.ts";

export interface ConnectionParts {
  readonly server: SimRedisServer;
  /** Of the client's process. */
  readonly life: Life;
  readonly link: RedisLink;
  readonly answered: (answer: Answer) => void;
  readonly closed: () => void;
}

/** How long a client that hung up waits for the other end to do so too. */
const disconnectMsMax = 2_000;

/** One TCP connection. What one end does, the other hears of later, or never. */
export class SimConnection implements Peer {
  readonly #parts: ConnectionParts;
  readonly #there: Pipe<Request>;
  readonly #back: Pipe<Answer>;
  #isClosed = false;
  #isWritable = true;

  constructor(parts: ConnectionParts) {
    const { server, life, link, answered } = parts;
    this.#parts = parts;
    const gaveUp = () => {
      this.#there.destroy();
      server.leave(this);
      life.after(0, () => this.#close());
    };
    const { scheduler } = server;
    this.#there = new Pipe<Request>({
      way: "there",
      link,
      scheduler,
      receiver: server.life,
      arrived: (requests) => server.receive(this, requests),
      ended: () => this.#leftByClient(),
      gaveUp,
    });
    this.#back = new Pipe<Answer>({
      way: "back",
      link,
      scheduler,
      receiver: life,
      arrived: (answers) => {
        for (const answer of answers) if (!this.#isClosed) answered(answer);
      },
      ended: () => this.#close(),
      gaveUp,
    });
    server.accept(this);
  }

  /** False once it was hung up. */
  get isWritable(): boolean {
    return this.#isWritable && !this.#isClosed;
  }

  send(requests: readonly Request[]): void {
    this.#there.send(requests);
    if (this.#parts.link.breaks("there")) this.#break();
  }

  answer(answers: readonly Answer[], afterMs: number): void {
    const isBroken = this.#parts.link.breaks("back");
    this.#back.send(answers, isBroken ? 0 : afterMs);
    if (isBroken) this.#break();
  }

  broke(): void {
    this.#there.destroy();
    this.#back.break();
  }

  /** What was sent before is still answered. */
  hangUp(): void {
    if (!this.isWritable) return;
    this.#isWritable = false;
    this.#there.end();
    this.#parts.life.after(disconnectMsMax, () => this.#close());
  }

  #leftByClient(): void {
    this.#parts.server.leave(this);
    this.#back.end();
  }

  #break(): void {
    this.#there.break();
    this.#back.break();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#back.destroy();
    this.#parts.closed();
  }
}
