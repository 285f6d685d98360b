import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runAgent, type AgentOptions, type RunningAgent } from "../../../src/agent/agent.ts";
import { processEntry } from "../../../src/agent/runtime/proc.ts";
import { parseSettings } from "../../../src/config/settings.ts";
import { createLogger } from "../../../src/runtime/log.ts";
import { TestController } from "./test-controller.ts";
import { ToldSource } from "./told-source.ts";

export const gpu = ["GPU-0", "GPU-1"] as const;

export const testSettings = parseSettings(
  {
    terms: { termMs: 10_000, renewIntervalMs: 1_000, driftMs: 50 },
    recall: { killMarginMs: 300, proofMs: 3_000 },
    agent: { reconnectMsMin: 20, reconnectMsMax: 200, logBytesMax: 64 * 1024 },
  },
  "test",
);

/** A controller, an agent and its directory; everything that ran is gone when it is disposed of. */
export class AgentRig {
  readonly dir = mkdtempSync(join(tmpdir(), "gleaner-agent-"));
  readonly controller = new TestController();
  source = new ToldSource(gpu);
  agent: RunningAgent | null = null;

  /** A controller that answers, and an agent that it knows and whose devices are idle. */
  static async up(
    options: Partial<AgentOptions> = {},
    prepare: (controller: TestController) => void = () => {},
  ): Promise<AgentRig> {
    const rig = new AgentRig();
    prepare(rig.controller);
    await rig.controller.listen();
    await rig.startAgent(options);
    await rig.known();
    return rig;
  }

  async startAgent(options: Partial<AgentOptions> = {}): Promise<void> {
    this.source = new ToldSource(gpu);
    this.agent = await runAgent({ ...this.options(), ...options });
    this.source.tell(0);
  }

  options(): AgentOptions {
    return {
      agentId: "lab-1",
      host: "lab-1",
      dataDir: join(this.dir, "agent"),
      controllerAddress: this.controller.address,
      recallListen: "127.0.0.1:0",
      source: this.source,
      settings: testSettings,
      env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, SECRET: "of the agent" },
      logger: createLogger({ name: "agent", level: "silent" }),
    };
  }

  /** The agent is welcome, and the controller has seen its devices idle. */
  async known(): Promise<void> {
    await this.controller.until(() => this.controller.all("hello").length > 0);
    await this.controller.until(() => {
      if (this.controller.all("samples").length === 0) this.source.tell(0);
      return this.controller.all("samples").length > 0;
    });
  }

  checkpointFile(guestId: string, name: string): string {
    return join(this.dir, "agent", "checkpoints", guestId, name);
  }

  async stopAgent(how: { vacate?: boolean } = {}): Promise<void> {
    await this.agent?.stop(how);
    this.agent = null;
  }

  /** Stopped and started on the same directory; its guests go on meanwhile. */
  async restartAgent(options: Partial<AgentOptions> = {}): Promise<void> {
    await this.stopAgent();
    this.controller.received.length = 0;
    await this.startAgent(options);
    await this.known();
  }

  isAlive(pid: number): boolean {
    return (processEntry(pid)?.state ?? "Z") !== "Z";
  }

  /** The launcher of the guest's first attempt has ended, and so has all that it waited for. */
  async processesEnded(guestId: string): Promise<void> {
    await fileSays(join(this.dir, "agent", "exits", `${guestId}.1`), (text) => text.endsWith("\n"));
  }

  touch(file: string): void {
    writeFileSync(file, "");
  }

  /** As if the agent's directory had been lost. */
  forgetLease(guestId: string): void {
    rmSync(join(this.dir, "agent", "guests", guestId), { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent?.stop({ vacate: true });
    this.controller.vanish();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** The file's text once it satisfies; the directory must exist. */
export async function fileSays(
  file: string,
  satisfies: (text: string) => boolean = () => true,
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const look = () => {
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    if (existsSync(file) && satisfies(text)) resolve(text);
  };
  const watcher = watch(dirname(file), look);
  look();
  try {
    return await promise;
  } finally {
    watcher.close();
  }
}

export function sh(script: string): string[] {
  return ["/bin/sh", "-c", script];
}
