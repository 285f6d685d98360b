import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { RuntimeKind } from "../../../src/agent/runtime/process-group.ts";
import { keeperCommand } from "../../../src/keeper/keeper-command.ts";
import { AgentRig } from "./agent-rig.ts";
import { poolSettings } from "./test-controller.ts";

const agentProcess = new URL("agent-process.ts", import.meta.url).pathname;

export interface KeeperOptions {
  readonly runtime?: RuntimeKind | "auto";
  readonly termMs?: number;
  readonly deadlineMs?: number;
}

/** A keeper with its agent, each a process of its own, and a controller. */
export class KeeperRig extends AgentRig {
  readonly said: string[] = [];
  #keeper: ChildProcess | null = null;
  #waiting: (() => void)[] = [];
  #options: Required<KeeperOptions> = { runtime: "auto", termMs: 10_000, deadlineMs: 30_000 };

  static kept(options: KeeperOptions = {}): Promise<KeeperRig> {
    return new KeeperRig().start(options);
  }

  async start(options: KeeperOptions = {}): Promise<this> {
    this.#options = { ...this.#options, ...options };
    const { termMs, deadlineMs: recallDeadlineMs } = this.#options;
    this.controller.termMs = termMs;
    this.controller.renewIntervalMs = termMs / 10;
    this.controller.pools = [poolSettings({ recallDeadlineMs })];
    await this.controller.listen();
    this.startKeeper();
    await this.agentIsBack();
    return this;
  }

  get dataDir(): string {
    return join(this.dir, "agent");
  }

  startKeeper(): void {
    const { runtime, termMs } = this.#options;
    const command = [process.execPath, agentProcess, this.dataDir, this.controller.address];
    const [file, ...args] = keeperCommand(this.dataDir, 10_000, [...command, runtime, String(termMs)]);
    this.#keeper = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
    createInterface(this.#keeper.stderr!).on("line", (line) => {
      this.said.push(line);
      for (const look of this.#waiting) look();
    });
  }

  get keeperPid(): number {
    return this.#keeper!.pid!;
  }

  /** Of the agent that told the keeper last. */
  get agentPid(): number {
    const words = ["keeper.0", "keeper.1"].map((name) =>
      readFileSync(join(this.dataDir, name), "utf8").split("\n", 1)[0]!.split(" "),
    );
    return Number(words.toSorted((a, b) => Number(b[1]) - Number(a[1]))[0]![2]);
  }

  /** An agent has said Hello since the test last forgot what it received, and its devices are known to be idle. */
  async agentIsBack(): Promise<void> {
    await this.controller.until(() => this.controller.all("hello").length > 0);
    await this.controller.until(() => this.controller.all("samples").length > 0);
  }

  async says(what: RegExp): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => this.said.some((line) => what.test(line)) && resolve();
    this.#waiting.push(look);
    look();
    await promise;
  }

  async endKeeper(signal: NodeJS.Signals): Promise<number | null> {
    const keeper = this.#keeper;
    if (keeper === null || keeper.exitCode !== null || keeper.signalCode !== null) return null;
    const ended = once(keeper, "exit") as Promise<[number | null]>;
    keeper.kill(signal);
    const [code] = await ended;
    return code;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    try {
      process.kill(this.agentPid, "SIGCONT");
    } catch {
      // It has ended.
    }
    await this.endKeeper("SIGTERM");
    await super[Symbol.asyncDispose]();
  }
}
