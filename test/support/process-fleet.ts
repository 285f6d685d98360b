import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { connectClients, type Clients } from "../../src/api/client.ts";
import { fixedAddress } from "../../src/cli/fixed-address.ts";
import { GuestState, type Guest } from "../../src/gen/gleaner/v1/guests.ts";
import { startCli } from "./cli.ts";
import { fastSettings, processGuest } from "./controller.ts";
import { startTestRedis, type TestRedis } from "./redis.ts";
import { until } from "./up.ts";

type Addresses = Readonly<Record<string, { readonly api: string; readonly http: string }>>;

/** Controllers `a` and `b`, an agent of idle devices and Redis: each a real process that may die or stand still. */
export class ProcessFleet implements AsyncDisposable {
  readonly redis: TestRedis;
  /** Of both. */
  readonly clients: Clients;
  readonly #dir: string;
  readonly #addresses: Addresses;
  readonly #children: ChildProcess[] = [];
  readonly #agents = new Set<ChildProcess>();

  private constructor(dir: string, redis: TestRedis, addresses: Addresses) {
    this.#dir = dir;
    this.redis = redis;
    this.#addresses = addresses;
    this.clients = connectClients(Object.values(addresses).map(({ api }) => api));
  }

  static async open(settings: Record<string, unknown>): Promise<ProcessFleet> {
    const dir = mkdtempSync(join(tmpdir(), "gleaner-fleet-"));
    const redis = await startTestRedis();
    const file = JSON.stringify({ ...fastSettings(settings), redisUrl: redis.url });
    writeFileSync(join(dir, "settings.json"), file);
    const pair = async () => ({
      api: await fixedAddress("127.0.0.1:0"),
      http: await fixedAddress("127.0.0.1:0"),
    });
    return new ProcessFleet(dir, redis, { a: await pair(), b: await pair() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.clients.close();
    for (const child of this.#children.filter(isAlive)) {
      // A keeper that is killed leaves its agent alone; told to stop, both end, and their guests with them.
      child.kill(this.#agents.has(child) ? "SIGTERM" : "SIGKILL");
      await once(child, "exit");
    }
    await this.redis.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  dataDir(name: string): string {
    return join(this.#dir, name);
  }

  /** Resolves when its role is as expected. */
  async startController(name: string, role: "leads" | "stands by"): Promise<ChildProcess> {
    const { api, http } = this.#addresses[name]!;
    const child = this.#start(["controller", "--api-address", api, "--http-address", http], name);
    const wanted = role === "leads" ? /^ok(?!.*standby)/ : /standby/;
    await until(`${name} ${role}`, async () => wanted.test(await this.ready(name)));
    return child;
  }

  /** Of `devices`, none of which is ever used by an owner. */
  startAgent(devices: readonly string[]): ChildProcess {
    const rows = Array.from({ length: 600 }, (_, second) =>
      devices.map((device) => `${second},${device},research,0,0`),
    ).flat();
    const trace = join(this.#dir, "idle.csv");
    writeFileSync(trace, ["time_s,device,pool,gpu_util_pct,mem_used_mib", ...rows, ""].join("\n"));
    const all = Object.values(this.#addresses).map(({ api }) => api);
    const place = ["--host", "host-a", "--recall-listen", "none"];
    const agent = this.#start(
      ["agent", "--telemetry", `replay:${trace}`, "--controller", all.join(","), ...place],
      "agent",
    );
    this.#agents.add(agent);
    return agent;
  }

  /** What /readyz says; empty where nobody answers, or not yet. */
  async ready(name: string): Promise<string> {
    const answer = await fetch(`http://${this.#addresses[name]!.http}/readyz`).catch(() => null);
    return answer?.ok === true ? answer.text() : "";
  }

  async hearsAgent(name: string): Promise<boolean> {
    const metrics = await fetch(`http://${this.#addresses[name]!.http}/metrics`);
    return /^gleaner_agents_connected\S* 1$/m.test(await metrics.text());
  }

  /** A guest that goes on for ever. Answers its id. */
  async submit(name: string): Promise<string> {
    const workload = {
      $case: "process" as const,
      value: { command: ["sleep", "600"], env: {}, workingDir: "" },
    };
    const spec = processGuest({ workload });
    const { guest } = await this.clients.guests.submit({ spec, idempotencyKey: name });
    return guest!.id;
  }

  running(id: string): Promise<Guest> {
    return until(`${id} runs`, async () => {
      const { guest } = await this.clients.guests.get({ id });
      return guest?.state === GuestState.RUNNING && guest;
    });
  }

  #start(words: readonly string[], name: string): ChildProcess {
    const place = ["--config", join(this.#dir, "settings.json"), "--data-dir", this.dataDir(name)];
    const child = startCli([...words, ...place, "--log", "error"]);
    this.#children.push(child);
    return child;
  }
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
