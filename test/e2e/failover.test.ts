import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { afterEach, beforeEach, expect, it } from "vitest";
import { connectClients, type Clients } from "../../src/api/client.ts";
import { fixedAddress } from "../../src/cli/fixed-address.ts";
import { GuestState, type Guest } from "../../src/gen/gleaner/v1/guests.ts";
import { RecallStage, Rung } from "../../src/gen/gleaner/v1/owners.ts";
import { startCli } from "../support/cli.ts";
import { fastSettings, processGuest } from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";
import { until } from "../support/up.ts";

/** Two controllers, an agent and Redis, each a real process that dies or stands still. */

const devices = ["GPU-0", "GPU-1", "GPU-2", "GPU-3"];
let dir: string;
let redis: TestRedis;
let children: ChildProcess[];
let names: string[];
let clients: Clients;
let addresses: Record<string, { api: string; http: string }>;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "gleaner-failover-"));
  redis = await startTestRedis();
  children = [];
  names = ["a", "b"];
  addresses = {};
  const terms = { termMs: 15_000, renewIntervalMs: 500, driftMs: 500 };
  const policies = [{ pool: "*", mode: "lend", idleMsMin: 0, recallDeadlineMs: 20_000 }];
  const settings = { ...fastSettings({ terms, policies }), redisUrl: redis.url };
  writeFileSync(join(dir, "settings.json"), JSON.stringify(settings));
  for (const name of names)
    addresses[name] = { api: await fixedAddress("127.0.0.1:0"), http: await fixedAddress("127.0.0.1:0") };
  clients = connectClients(names.map((name) => addresses[name]!.api));
});

afterEach(async () => {
  clients.close();
  for (const child of children.filter(isAlive)) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await redis.stop();
  rmSync(dir, { recursive: true, force: true });
});

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function start(words: readonly string[]): ChildProcess {
  const child = startCli([...words, "--config", join(dir, "settings.json"), "--log", "error"]);
  children.push(child);
  return child;
}

async function ready(name: string): Promise<string> {
  const answer = await fetch(`http://${addresses[name]!.http}/readyz`).catch(() => null);
  return answer?.ok === true ? answer.text() : "";
}

async function hearsAgent(name: string): Promise<boolean> {
  const metrics = await fetch(`http://${addresses[name]!.http}/metrics`);
  return /^gleaner_agents_connected\S* 1$/m.test(await metrics.text());
}

async function startController(name: string, ...role: ("leads" | "stands by")[]): Promise<ChildProcess> {
  const { api, http } = addresses[name]!;
  const place = ["--data-dir", join(dir, name), "--api-address", api, "--http-address", http];
  const child = start(["controller", ...place]);
  const wanted = role[0] === "leads" ? /^ok(?!.*standby)/ : /standby/;
  await until(`${name} ${role[0]}`, async () => wanted.test(await ready(name)));
  return child;
}

function startAgent(): ChildProcess {
  const rows = Array.from({ length: 600 }, (_, second) =>
    devices.map((device) => `${second},${device},research,0,0`),
  ).flat();
  const trace = join(dir, "idle.csv");
  writeFileSync(trace, ["time_s,device,pool,gpu_util_pct,mem_used_mib", ...rows, ""].join("\n"));
  const all = names.map((name) => addresses[name]!.api).join(",");
  const place = ["--host", "host-a", "--data-dir", join(dir, "agent"), "--recall-listen", "none"];
  return start(["agent", "--telemetry", `replay:${trace}`, "--controller", all, ...place]);
}

async function submit(name: string): Promise<string> {
  const workload = {
    $case: "process" as const,
    value: { command: ["sleep", "600"], env: {}, workingDir: "" },
  };
  const { guest } = await clients.guests.submit({ spec: processGuest({ workload }), idempotencyKey: name });
  return guest!.id;
}

function running(id: string): Promise<Guest> {
  return until(`${id} runs`, async () => {
    const { guest } = await clients.guests.get({ id });
    return guest?.state === GuestState.RUNNING && guest;
  });
}

/** From the call to the guest frozen, as the caller hears of it. Ms. */
async function recall(device: string): Promise<number> {
  const calledAtMs = performance.now();
  const target = { scope: { $case: "devices" as const, value: { uuids: [device] } } };
  for await (const { stage } of clients.owners.recall({ target, firstRung: Rung.PAUSE, reason: "test" }))
    if (stage === RecallStage.PAUSED) return performance.now() - calledAtMs;
  throw new Error("it was never paused");
}

it("I0, I2, I3: kill -9 and SIGSTOP of the leader, and the end of Redis: the other lends, guests go on, owners wait for nobody", async () => {
  const a = await startController("a", "leads");
  let b = await startController("b", "stands by");
  startAgent();
  await until("the agent has found both", async () => (await hearsAgent("a")) && hearsAgent("b"));
  const first = await running(await submit("first"));
  expect(first).toMatchObject({ attempts: 1 });
  const second = await running(await submit("second"));
  await submit("third").then(running);

  // kill -9 of the leader: the standby takes back at once, and lends within 5 s.
  a.kill("SIGKILL");
  const killedAtMs = performance.now();
  const recallLeaderDeadMs = await recall(second.devices[0]!);
  await submit("fourth").then(running);
  const takeOverMs = performance.now() - killedAtMs;
  expect((await clients.guests.get({ id: first.id })).guest).toMatchObject({
    state: GuestState.RUNNING,
    attempts: 1,
    leaseId: first.leaseId,
  });

  // A leader that stands still for longer than its lock comes back, lends nothing and ends.
  await startController("a", "stands by");
  await until("the agent has found it", () => hearsAgent("a"));
  b.kill("SIGSTOP");
  await until("the other leads", async () => /^ok(?!.*standby)/.test(await ready("a")));
  b.kill("SIGCONT");
  const [code] = (await once(b, "exit")) as [number];
  expect(code).toBe(3);
  expect((await clients.guests.get({ id: first.id })).guest).toMatchObject({ leaseId: first.leaseId });

  // Redis dies, and then the leader beside it.
  b = await startController("b", "stands by");
  await until("the agent has found it", () => hearsAgent("b"));
  const guests = (
    await clients.guests.list({ tenant: "", states: [GuestState.RUNNING], pageSize: 0, pageToken: "" })
  ).guests;
  const others = guests.filter(({ id }) => id !== first.id).map((guest) => guest.devices[0]!);
  process.kill(redis.pid, "SIGKILL");
  const recallRedisDeadMs = await recall(others[0]!);
  for (const child of children) if (child !== b && isController(child)) child.kill("SIGKILL");
  const recallBothDeadMs = await recall(others[1]!);
  // What is promised is measured by `npm run bench -- failover`; here two cores may be shared by many.
  for (const ms of [recallLeaderDeadMs, recallRedisDeadMs, recallBothDeadMs]) expect(ms).toBeLessThan(2_000);
  expect(takeOverMs).toBeLessThan(15_000);
});

function isController({ spawnargs }: ChildProcess): boolean {
  return spawnargs.includes("controller");
}
