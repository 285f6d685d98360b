import { Worker, type ResourceLimits, type Transferable } from "node:worker_threads";

export interface ThreadOptions<FromThread> {
  /** Of the thread's module. */
  readonly file: URL;
  /** What it does, for messages: `decides`. */
  readonly task: string;
  readonly workerData: unknown;
  readonly resourceLimits: ResourceLimits;
  /** Takes what the thread tells by itself; false: it is an answer. Default: all are answers. */
  readonly hear?: (message: FromThread) => boolean;
  /** Called once, unless it was closed. */
  readonly died?: (error: Error) => void;
}

/** The caller's end of a thread that answers each question, in the order in which they came. */
export class AskedThread<ToThread, FromThread> {
  readonly #worker: Worker;
  readonly #answers: PromiseWithResolvers<FromThread>[] = [];
  readonly #died: (error: Error) => void;
  #failure: Error | null = null;

  constructor({ file, task, workerData, resourceLimits, hear, died }: ThreadOptions<FromThread>) {
    this.#died = died ?? (() => {});
    this.#worker = new Worker(file, { workerData, resourceLimits });
    this.#worker.on("message", (message: FromThread) => {
      if (hear?.(message) !== true) this.#answers.shift()?.resolve(message);
    });
    this.#worker.on("error", (thrown) =>
      this.#fail(thrown instanceof Error ? thrown : new Error(String(thrown))),
    );
    this.#worker.on("exit", (code) =>
      this.#fail(new Error(`the thread that ${task} ended with code ${code}`)),
    );
  }

  /** Throws what ended the thread, if it has ended or ends meanwhile. */
  async ask(question: ToThread, transfer: Transferable[] = []): Promise<FromThread> {
    if (this.#failure !== null) throw this.#failure;
    const answer = Promise.withResolvers<FromThread>();
    this.#answers.push(answer);
    this.tell(question, transfer);
    return answer.promise;
  }

  /** What needs no answer. */
  tell(message: ToThread, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Ends the thread where it stands. */
  async close(): Promise<void> {
    this.#failure ??= new Error("the thread was closed");
    await this.#worker.terminate();
    this.#rejectAll(this.#failure);
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#rejectAll(error);
    this.#died(error);
  }

  #rejectAll(error: Error): void {
    for (const answer of this.#answers.splice(0)) answer.reject(error);
  }
}
