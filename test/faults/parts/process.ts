import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isReadyMessage } from "../../../src/cli/child-channel.ts";
import { textOf } from "../oracle.ts";

export interface ProcessPlan {
  readonly name: string;
  readonly command: string;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logPath: string;
  /** Resolves when it serves; default: when it says so on its channel, as every command of Gleaner does. */
  readonly ready?: () => Promise<void>;
}

/** As a supervisor waits before it starts one again. */
const restartMs = 200;

/** One process of the product, or its Redis: killed, stopped, started again; supervised where it ends by itself. */
export class FaultProcess implements AsyncDisposable {
  readonly #plan: ProcessPlan;
  #child: ChildProcess | null = null;
  /** We want it gone. */
  #down = false;
  /** Of the process that serves, where a keeper stands between: it has been ready so often, and has this pid. */
  #readied = 0;
  #servingPid = 0;
  restarts = 0;

  constructor(plan: ProcessPlan) {
    this.#plan = plan;
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    const { name, command, words, env, cwd, logPath, ready } = this.#plan;
    const log = openSync(logPath, "a");
    // As bin/gleaner starts it: what was compiled once need not be again.
    const { PATH = "", HOME = "/", NODE_COMPILE_CACHE = "" } = process.env;
    const stdio = ["ignore", log, log, ...(ready === undefined ? (["ipc"] as const) : [])] as const;
    const child = spawn(command, words, {
      cwd,
      env: { PATH, HOME, NODE_COMPILE_CACHE, ...env },
      stdio: [...stdio],
    });
    closeSync(log);
    this.#child = child;
    this.#down = false;
    child.on("message", (message) => {
      if (!isReadyMessage(message)) return;
      this.#readied += 1;
      this.#servingPid = message.pid;
    });
    const ended = once(child, "exit").then(() => {
      const tail = textOf(logPath).trimEnd().split("\n").slice(-5).join("\n");
      throw new Error(`${name} ended while it started:\n${tail}`);
    });
    await Promise.race([ready?.() ?? saidReady(child), ended]);
    ended.catch(() => void this.#supervise());
  }

  get hasEnded(): boolean {
    const child = this.#child;
    return child === null || child.exitCode !== null || child.signalCode !== null;
  }

  /** To the process that serves. */
  signal(signal: NodeJS.Signals): void {
    if (this.#servingPid === 0) this.#child?.kill(signal);
    else signalIfThere(this.#servingPid, signal);
  }

  /** To the process that was started: the keeper, where one stands between. */
  signalKeeper(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Resolves when its keeper has started it once more than `times` before. */
  async keptAgain(times: number): Promise<void> {
    while (this.#readied <= times) await sleep(20);
  }

  /** Starts another keeper, which finds what runs: nobody says that it is ready. */
  startKeeper(): void {
    this.start().catch(() => {}); // it is told to end with the rest
  }

  get readied(): number {
    return this.#readied;
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** In order. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGCONT");
    this.signalKeeper("SIGCONT");
    const patience = setTimeout(() => {
      this.signal("SIGKILL");
      this.#child?.kill("SIGKILL");
    }, 10_000);
    await this.#end("SIGTERM");
    clearTimeout(patience);
  }

  async #supervise(): Promise<void> {
    while (!this.#down) {
      this.restarts += 1;
      await sleep(restartMs);
      if (this.#down) return;
      const started = await this.start().then(
        () => true,
        () => false,
      );
      if (started) return;
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#down = true;
    const child = this.#child;
    if (child === null || this.hasEnded) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }
}

export function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

async function saidReady(child: ChildProcess): Promise<void> {
  for (;;) {
    const [message] = (await once(child, "message")) as [unknown];
    if (isReadyMessage(message)) return;
  }
}
