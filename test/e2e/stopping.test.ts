import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import { connectClients } from "../../src/api/client.ts";
import { runCli, startCli } from "../support/cli.ts";
import { startTestRedis } from "../support/redis.ts";
import { startUp, until, type Up } from "../support/up.ts";

const secret = "not-for-any-log-4711";

/** The newest dump in a log: the one line that is an object with `leases`. */
function dumpIn(path: string): Record<string, unknown> | null {
  const line = readFileSync(path, "utf8")
    .split("\n")
    .findLast((text) => text.startsWith("{") && text.includes('"leases":['));
  return line === undefined ? null : (JSON.parse(line) as Record<string, unknown>);
}

async function submitRunning(up: Up, words: readonly string[]): Promise<string> {
  const env = { GLEANER_ADDRESS: up.apiAddress };
  const { stdout, stderr } = await runCli(["submit", "--tenant", "research", "--json", ...words], { env });
  const id = /"id":\s*"([^"]+)"/.exec(stdout)?.[1];
  if (id === undefined) throw new Error(`not submitted: ${stdout}${stderr}`);
  const clients = connectClients(up.apiAddress);
  await until(
    "the guest runs",
    async () => (await clients.guests.get({ id })).guest?.state === "GUEST_STATE_RUNNING",
  );
  clients.close();
  return id;
}

describe("what a process holds", () => {
  it("SIGUSR2 makes the controller and an agent tell leases, recalls, backlogs and streams, and no secret", async () => {
    await using up = await startUp(["--agents", "1", "--devices", "2"]);
    const guestId = await submitRunning(up, ["--env", `TOKEN=${secret}`, "--", "sleep", "60"]);
    const [host] = Object.keys(up.recallAddresses);
    const logs = {
      controller: join(up.dataDir, "logs/controller.log"),
      agent: join(up.dataDir, `logs/agent-${host}.log`),
    };
    process.kill(up.pids["controller"]!, "SIGUSR2");
    process.kill(up.pids[`agent ${host}`]!, "SIGUSR2");
    const controller = await until("the controller tells", () => dumpIn(logs.controller));
    const agent = await until("the agent tells", () => dumpIn(logs.agent));

    expect(controller).toMatchObject({
      epoch: expect.any(Number),
      devices: 2,
      leases: [{ guestId, state: "running", renewedAgoMs: expect.any(Number) }],
      recalls: [],
      backlogs: {
        submissions: { waiting: 0, max: 20_000 },
        steps: { max: 100_000 },
        ledgerEvents: { max: 200_000 },
      },
      streams: { agents: [{ host, max: 20_000 }], watchers: { max: 1_000 } },
    });
    expect(agent).toMatchObject({
      host,
      leases: [
        { guestId, state: "running", termEndsInMs: expect.any(Number), unacknowledged: expect.any(Number) },
      ],
      recalls: [],
      backlogs: { leaseReports: { max: 100_000 }, recallReports: { waiting: 0, max: 100_000 } },
      streams: [{ address: up.apiAddress, connected: true }],
      term: { acknowledgedAgoMs: expect.any(Number) },
    });
    expect(readFileSync(logs.controller, "utf8") + readFileSync(logs.agent, "utf8")).not.toContain(secret);
  });
});

describe("stopping in two stages", () => {
  const rest = ["--api-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--log", "info"];

  async function startController(redisUrl: string, dataDir: string) {
    const env = { REDIS_URL: redisUrl };
    const child = startCli(["controller", "--data-dir", dataDir, ...rest], { env });
    const said: string[] = [];
    createInterface(child.stderr).on("line", (line) => said.push(line));
    const ended = once(child, "exit") as Promise<[number | null, string | null]>;
    const apiAddress = await until(
      "it serves",
      () => /controller serves on (\S+?)"/.exec(said.join("\n"))?.[1] ?? null,
    );
    return { child, said, ended, apiAddress };
  }

  it("a controller's first SIGTERM sends watchers away, answers what was asked and writes it; it ends by itself", async () => {
    await using redis = await startTestRedis();
    const dataDir = mkdtempSync(join(tmpdir(), "gleaner-stopping-"));
    const { child, ended, apiAddress } = await startController(redis.url, dataDir);
    const clients = connectClients(apiAddress);
    const watch = clients.guests.watch({})[Symbol.asyncIterator]();
    const spec = {
      tenant: "research",
      workload: { $case: "process" as const, value: { command: ["true"] } },
    };
    const { guest } = await clients.guests.submit({ spec });
    await watch.next();
    const submitted = clients.guests.submit({ spec });
    const sentAway = (async () => {
      while ((await watch.next()).done !== true);
    })();
    child.kill("SIGTERM");
    await expect(sentAway).rejects.toMatchObject({ code: "SERVER_STOPPING" });
    // Answered, or told to call again: never lost in between.
    const answered = await submitted.then(
      (answer) => answer.guest!.id,
      (thrown: { code: string }) => thrown.code,
    );
    expect(await ended).toEqual([0, null]);
    clients.close();

    const next = await startController(redis.url, dataDir);
    const again = connectClients(next.apiAddress);
    const kept = (await again.guests.list({})).guests.map(({ id }) => id);
    expect(kept).toContain(guest!.id);
    if (answered.startsWith("g-")) expect(kept).toContain(answered);
    again.close();
    next.child.kill("SIGTERM");
    await next.ended;
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("an up that waits for a guest's notice ends at once at the second Ctrl-C", async () => {
    await using up = await startUp(["--agents", "1", "--devices", "8"]);
    await submitRunning(up, ["--", "sh", "-c", "trap '' TERM; while :; do sleep 1; done"]);
    const first = up.stop();
    await until("it drains", () => up.said.some((line) => line.includes("guests are vacated first")));
    const startedMs = performance.now();
    await up.stop();
    expect(await first).toBe(130);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });
});
