import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, openSync, closeSync, readFileSync, statSync, truncateSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { GleanerError } from "../errors/gleaner-error.ts";
import { isReadyMessage, type ReadyMessage } from "./child-channel.ts";
import { formatDuration } from "./duration.ts";
import { gleaner } from "./self.ts";

const restartMsMin = 200;
const restartMsMax = 10_000;
/** One that ran so long had got going: the next restart is a quick one again. */
const steadyMs = 30_000;
const readyMsMax = 60_000;
const logBytesMax = 64 * 1024 * 1024;
const logCheckMs = 30_000;

export interface ChildPlan {
  /** For people: `controller`, `agent host-a`. */
  readonly name: string;
  /** The words after `gleaner`. */
  readonly words: readonly string[];
  /** Makes the whole command line of a program that runs the given one and looks after it. */
  readonly keptBy?: (command: readonly string[]) => readonly [file: string, ...args: string[]];
  /** Both its streams, appended; begun anew, with one older file kept, when it grows too large. */
  readonly logPath: string;
  /** One line for each thing that a person should know. */
  readonly say: (line: string) => void;
}

/** A `gleaner` process of its own that is started again when it dies, until it is stopped. */
export class SupervisedChild {
  readonly name: string;
  readonly #plan: ChildPlan;
  readonly #stopping = new AbortController();
  #child: ChildProcess | null = null;
  #servingPid: number | null = null;
  #supervision: Promise<void> = Promise.resolve();
  #logWatch: NodeJS.Timeout | null = null;

  constructor(plan: ChildPlan) {
    this.name = plan.name;
    this.#plan = plan;
  }

  get pid(): number | null {
    return this.#servingPid ?? this.#child?.pid ?? null;
  }

  /** Resolves with what the first process says it listens on. Throws CHILD_FAILED when it ends or hangs before that. */
  async start(): Promise<ReadyMessage["ready"]> {
    const ended = this.#spawn();
    const child = this.#child!;
    const messages = new Promise<ReadyMessage>((resolve) => {
      child.on("message", (message) => isReadyMessage(message) && resolve(message));
    });
    const late = sleep(readyMsMax, null, { ref: false });
    const first = await Promise.race([messages, ended.then(() => null), late]);
    if (first === null) {
      child.kill("SIGKILL");
      throw new GleanerError("CHILD_FAILED", {
        name: this.name,
        problem: this.#lastWords(),
        logPath: this.#plan.logPath,
      });
    }
    this.#supervision = this.#supervise(ended);
    this.#logWatch = setInterval(() => limitLog(this.#plan.logPath), logCheckMs).unref();
    return first.ready;
  }

  /** SIGTERM, and SIGKILL after `patienceMs`. Resolves when the process is gone. */
  async stop(patienceMs: number): Promise<void> {
    this.#stopping.abort();
    if (this.#logWatch !== null) clearInterval(this.#logWatch);
    const child = this.#child;
    if (child !== null && child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const patience = setTimeout(() => {
        this.#plan.say(`${this.name} did not end within ${formatDuration(patienceMs)}: killed`);
        child.kill("SIGKILL");
      }, patienceMs);
      await ended;
      clearTimeout(patience);
    }
    await this.#supervision;
  }

  async #supervise(firstEnd: Promise<string>): Promise<void> {
    let ended = firstEnd;
    let delayMs = restartMsMin;
    for (;;) {
      const startedAtMs = performance.now();
      const how = await ended;
      if (this.#stopping.signal.aborted) return;
      if (performance.now() - startedAtMs > steadyMs) delayMs = restartMsMin;
      this.#plan.say(`${this.name} ended (${how}); starting it again in ${formatDuration(delayMs)}`);
      await sleep(delayMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
      if (this.#stopping.signal.aborted) return;
      delayMs = Math.min(delayMs * 2, restartMsMax);
      ended = this.#spawn();
    }
  }

  /** Resolves with how it ended. A process group of its own: Ctrl-C reaches us, and we end the others in order. */
  #spawn(): Promise<string> {
    const log = openSync(this.#plan.logPath, "a", 0o600);
    const command = gleaner(this.#plan.words);
    const [file, ...args] = this.#plan.keptBy?.(command) ?? command;
    const child = spawn(file, args, {
      stdio: ["ignore", log, log, "ipc"],
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    this.#servingPid = null;
    child.on("message", (message) => isReadyMessage(message) && this.#serves(message.pid));
    return new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
  }

  /** Under a keeper one child is several processes, one after the other. */
  #serves(pid: number): void {
    if (this.#servingPid !== null) this.#plan.say(`${this.name} ended and was started again`);
    this.#servingPid = pid;
  }

  /** What it told on stderr, or else the last line of its log. */
  #lastWords(): string {
    const lines = readFileSync(this.#plan.logPath, "utf8").trimEnd().split("\n");
    return lines.findLast((line) => line.startsWith("error ")) ?? lines.at(-1) ?? "it said nothing";
  }
}

/** The process appends, so that it goes on at the start of a file that was cut. */
export function limitLog(path: string, bytesMax = logBytesMax): void {
  if (statSync(path).size <= bytesMax) return;
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
}
