import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectClients, type Clients } from "../../src/api/client.ts";
import { startRedisServer, type RedisServer } from "../../src/store/redis-server.ts";
import type { PeersPlan } from "./peers.ts";

/** What a bench asks a process of its own to run. */
export type Role =
  | {
      readonly role: "controller";
      readonly redisUrl: string;
      readonly dataDir: string;
      readonly settings: unknown;
    }
  | {
      readonly role: "agent";
      readonly dataDir: string;
      readonly settings: unknown;
      /** Several with commas between. */
      readonly controllerAddress: string;
      readonly host: string;
      readonly devices: readonly string[];
      readonly sampleIntervalMs: number;
    }
  | PeersPlan
  | { readonly role: "echo" };

export interface Usage {
  readonly cpuMs: number;
  readonly rssMiB: number;
  readonly heldMiB: number | null;
  /** For how long at most the main thread was kept from its event loop since `watchLoop`, and by its own work; else 0. */
  readonly blockMs: number;
  readonly blockCpuMs: number;
}

/** A part of the product in a process of its own, as in production, so that the bench's own work does not count as its. */
export class BenchProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly address: string;

  private constructor(child: ChildProcess, address: string) {
    this.#child = child;
    this.address = address;
  }

  static async start(role: Role): Promise<BenchProcess> {
    const child = fork(join(import.meta.dirname, "role-process.ts"), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    child.send(role);
    const [{ address }] = (await Promise.race([
      once(child, "message"),
      once(child, "exit").then(() => Promise.reject(new Error(`the ${role.role} did not start`))),
    ])) as [{ address: string }];
    return new BenchProcess(child, address);
  }

  /** Rejects when the process has ended. */
  async usage(): Promise<Usage> {
    const ended = () => Promise.reject(new Error("a process of the bench has ended"));
    if (!this.#child.connected) return ended();
    this.#child.send("usage");
    const gone = new AbortController();
    const [usage] = (await Promise.race([
      once(this.#child, "message", { signal: gone.signal }),
      once(this.#child, "exit", { signal: gone.signal }).then(ended),
    ]).finally(() => gone.abort())) as [Usage];
    return usage;
  }

  /** Measures the main thread's longest block, from now until `usage`. */
  async watchLoop(): Promise<void> {
    this.#child.send("watchLoop");
    await once(this.#child, "message");
  }

  /** Tells an agent's source what its devices' utilisation is from the next sample on, or at once. */
  setUtil(devices: readonly string[], utilPct: number): void {
    this.#child.send({ devices, utilPct });
  }

  /** Everything that an agent process sends besides its answers. */
  onMessage(listener: (message: unknown) => void): void {
    this.#child.on("message", listener);
  }

  /** As kill -9 would. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.send("stop");
    await gone;
  }
}

/** A private Redis, a controller in its own process, and clients of it. */
export interface BenchStack extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly controller: BenchProcess;
  readonly clients: Clients;
  readonly dir: string;
}

export async function startStack(settings: Record<string, unknown>): Promise<BenchStack> {
  const dir = mkdtempSync(join(tmpdir(), "gleaner-bench-"));
  const redis = await startRedisServer({ dir: join(dir, "redis") });
  const controller = await BenchProcess.start({
    role: "controller",
    redisUrl: redis.url,
    dataDir: join(dir, "controller"),
    settings,
  });
  const clients = connectClients(controller.address);
  return {
    redis,
    controller,
    clients,
    dir,
    async [Symbol.asyncDispose]() {
      clients.close();
      await controller[Symbol.asyncDispose]();
      await redis.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export const loopback = {
  apiAddress: "127.0.0.1:0",
  httpAddress: "127.0.0.1:0",
  agentAddress: "127.0.0.1:0",
} as const;
