import { EventEmitter } from "node:events";
import type { RedisOptions } from "ioredis";
import type { Life } from "../world/process.ts";
import { SimConnection } from "./connection.ts";
import { SimCommand } from "./command.ts";
import { ReplyError } from "./keyspace.ts";
import type { RedisLink } from "./link.ts";
import type { Answer, SimRedisServer } from "./server.ts";

type Status = "wait" | "connecting" | "connect" | "ready" | "close" | "reconnecting" | "end";

export interface DriverParts {
  readonly server: SimRedisServer;
  readonly life: Life;
  readonly link: RedisLink;
  /** As `driverOptions` of src/store/connection.ts gives them. */
  readonly options: RedisOptions;
}

/**
 * How ioredis keeps a connection: what waits, what is sent again, what is given up, and when. The names of its parts are
 * those of ioredis' own. As there, a command that timed out stays in its queue, and may be carried out later.
 */
export class Driver extends EventEmitter {
  status: Status = "wait";
  readonly options: RedisOptions;
  readonly #parts: DriverParts;
  #connection: SimConnection | null = null;
  /** Sent and not answered. */
  #commandQueue: SimCommand[] = [];
  /** Those of the last connection that was ready. */
  #prevCommandQueue: SimCommand[] = [];
  #offlineQueue: SimCommand[] = [];
  /** What leaves with the next message. */
  #outbox: SimCommand[] = [];
  #retryAttempts = 0;
  #connects = 0;
  #manuallyClosing = false;
  #cancelReconnect: (() => void) | null = null;
  /** In the order in which they run out. */
  #timed: SimCommand[] = [];
  #isTiming = false;

  constructor(parts: DriverParts) {
    super();
    this.#parts = parts;
    const { name } = parts.server.host;
    this.options = { ...parts.options, host: name, port: 6379 };
  }

  /** Resolves when it is ready; rejects when the first try fails, though trying goes on. */
  async connect(): Promise<void> {
    if (this.status === "connecting" || this.status === "connect" || this.status === "ready")
      throw new Error("Redis is already connecting/connected");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onReady = () => {
      this.off("close", onClose);
      resolve();
    };
    const onClose = () => {
      this.off("ready", onReady);
      reject(new Error("Connection is closed."));
    };
    this.once("ready", onReady);
    this.once("close", onClose);
    this.#open();
    return promise;
  }

  disconnect(reconnect = false): void {
    if (!reconnect) {
      this.#manuallyClosing = true;
      this.#cancelReconnect?.();
      this.#cancelReconnect = null;
    }
    if (this.status === "wait") this.#closed();
    else if (this.status === "connecting") {
      this.#connects += 1;
      this.#parts.life.after(0, () => this.#closed());
    } else this.#connection?.hangUp();
  }

  sendCommand(command: SimCommand): void {
    if (this.status === "wait") this.connect().catch(() => {});
    if (this.status === "end") {
      command.reject(new Error("Connection is closed."));
      return;
    }
    this.#time(command);
    if (this.status === "ready" && this.#connection?.isWritable === true) this.#write(command);
    else this.#offlineQueue.push(command);
  }

  #open(): void {
    const { server, life, link, options } = this.#parts;
    const own = (this.#connects += 1);
    this.#setStatus("connecting");
    const startedMs = server.scheduler.nowMs;
    life.after(link.delayMs() + link.delayMs(), () => {
      if (own !== this.#connects) return;
      if (link.isUp("there") && link.isUp("back")) {
        if (server.isUp) this.#connected();
        else this.#failed("connect ECONNREFUSED");
        return;
      }
      const leftMs = startedMs + (options.connectTimeout ?? 10_000) - server.scheduler.nowMs;
      life.after(leftMs, () => {
        if (own === this.#connects) this.#failed("connect ETIMEDOUT");
      });
    });
  }

  #failed(problem: string): void {
    this.#silentEmit(new Error(problem));
    this.#closed();
  }

  #connected(): void {
    const own = this.#connects;
    this.#commandQueue = [];
    this.#outbox = [];
    this.#connection = new SimConnection({
      ...this.#parts,
      answered: (answer) => this.#answered(answer),
      closed: () => {
        if (own === this.#connects) this.#closed();
      },
    });
    this.#setStatus("connect");
    const readyCheck = new SimCommand("info", []);
    this.#time(readyCheck);
    readyCheck.promise.then(
      () => {
        if (own === this.#connects && this.status === "connect") this.#ready();
      },
      (thrown: Error) => {
        if (own !== this.#connects || this.status !== "connect") return;
        this.#flushQueue(thrown);
        this.#silentEmit(thrown);
        this.disconnect(true);
      },
    );
    this.#write(readyCheck);
  }

  #ready(): void {
    this.#setStatus("ready");
    this.#retryAttempts = 0;
    for (const command of this.#prevCommandQueue.splice(0)) this.sendCommand(command);
    for (const command of this.#offlineQueue.splice(0)) this.sendCommand(command);
  }

  #closed(): void {
    const wasReady = this.status === "ready";
    this.#connection = null;
    this.#setStatus("close");
    this.#abortIncompletePipelines();
    if (wasReady && this.#commandQueue.length > 0) this.#prevCommandQueue = this.#commandQueue;
    const delayMs = this.#manuallyClosing ? null : this.options.retryStrategy?.(++this.#retryAttempts);
    this.#manuallyClosing = false;
    if (typeof delayMs !== "number") {
      this.#setStatus("end");
      this.#flushQueue(new Error("Connection is closed."));
      return;
    }
    this.#setStatus("reconnecting");
    this.#cancelReconnect = this.#parts.life.clock.after(delayMs, () => {
      this.#cancelReconnect = null;
      this.#open();
    });
    const { maxRetriesPerRequest } = this.options;
    if (typeof maxRetriesPerRequest === "number" && this.#retryAttempts % (maxRetriesPerRequest + 1) === 0)
      this.#flushQueue(new MaxRetriesPerRequestError(maxRetriesPerRequest));
  }

  /** Of a pipeline that was half answered the rest is not sent again. */
  #abortIncompletePipelines(): void {
    let expected = 0;
    const queue = this.#commandQueue;
    for (let at = 0; at < queue.length;) {
      const { pipelineIndex } = queue[at]!;
      if (pipelineIndex === null || pipelineIndex === 0) expected = 0;
      if (pipelineIndex !== null && pipelineIndex !== expected++)
        queue.splice(at, 1)[0]!.reject(new AbortError());
      else at += 1;
    }
  }

  #write(command: SimCommand): void {
    this.#commandQueue.push(command);
    this.#outbox.push(command);
    if (this.#outbox.length > 1) return;
    // What is written in one turn leaves together.
    process.nextTick(() => this.#connection?.send(this.#outbox.splice(0)));
  }

  #answered({ reply }: Answer): void {
    const command = this.#commandQueue.shift();
    if (command === undefined) return;
    if (!(reply instanceof ReplyError)) {
      command.answered(reply);
      return;
    }
    const again = this.options.reconnectOnError?.(reply) ?? false;
    if (again === false || command.name === "info") {
      command.reject(reply);
      return;
    }
    if (this.status !== "reconnecting") this.disconnect(true);
    if (again === 2) this.sendCommand(command);
    else command.reject(reply);
  }

  #flushQueue(error: Error): void {
    for (const command of this.#offlineQueue.splice(0)) command.reject(error);
    for (const command of this.#commandQueue.splice(0)) command.reject(error);
  }

  #setStatus(status: Status): void {
    this.status = status;
    process.nextTick(() => this.emit(status));
  }

  #silentEmit(error: Error): void {
    if (this.listenerCount("error") > 0) this.emit("error", error);
  }

  /** One timer for all: they run out in the order in which they came. */
  #time(command: SimCommand): void {
    const { commandTimeout } = this.options;
    if (commandTimeout === undefined || command.isTimed) return;
    command.isTimed = true;
    command.runsOutAtMs = this.#parts.life.clock.monotonicMs() + commandTimeout;
    this.#timed.push(command);
    if (!this.#isTiming) this.#awaitTimeout(commandTimeout);
  }

  #awaitTimeout(ms: number): void {
    this.#isTiming = true;
    this.#parts.life.clock.after(ms, () => {
      const nowMs = this.#parts.life.clock.monotonicMs();
      this.#timed = this.#timed.filter(({ isSettled }) => !isSettled);
      while (this.#timed[0] !== undefined && this.#timed[0].runsOutAtMs <= nowMs)
        this.#timed.shift()!.reject(new Error("Command timed out"));
      this.#isTiming = false;
      if (this.#timed[0] !== undefined) this.#awaitTimeout(this.#timed[0].runsOutAtMs - nowMs);
    });
  }
}

class MaxRetriesPerRequestError extends Error {
  override readonly name = "MaxRetriesPerRequestError";

  constructor(retriesMax: number) {
    const option = 'Refer to "maxRetriesPerRequest" option for details.';
    super(`Reached the max retries per request limit (which is ${retriesMax}). ${option}`);
  }
}

class AbortError extends Error {
  override readonly name = "AbortError";

  constructor() {
    super("Command aborted due to connection close");
  }
}
