import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRedisServer } from "../../src/store/redis-server.ts";
import { startTestRedis } from "../support/redis.ts";

let scratch = "";
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "gleaner-test-"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A zombie that nobody has reaped yet is dead. */
function isAlive(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && !/\) [ZX] /.test(readFileSync(stat, "utf8"));
}

describe("the private Redis", () => {
  it("serves ioredis and BullMQ on its socket, append-only, never evicting, and leaves with us", async () => {
    const server = await startTestRedis("always");
    const client = new Redis(server.url);
    const policy = await client.config("GET", "maxmemory-policy");
    const appendonly = await client.config("GET", "append*");
    expect(policy).toEqual(["maxmemory-policy", "noeviction"]);
    expect(appendonly).toEqual(expect.arrayContaining(["appendonly", "yes", "appendfsync", "always"]));
    const connection = new Redis(server.url, { maxRetriesPerRequest: null });
    const queue = new Queue("q", { connection });
    await queue.add("job", { n: 1 });
    expect(await queue.getWaitingCount()).toBe(1);
    await queue.close();
    await connection.quit();
    client.disconnect();
    const { pid } = server;
    await server.stop();
    expect(isAlive(pid)).toBe(false);
  });

  it("I11: is started again on the same address after kill -9, with its data", async () => {
    await using server = await startTestRedis("always");
    const client = new Redis(server.url, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    client.on("error", () => {});
    await client.set("kept", "yes");
    const before = server.pid;
    const back = new Promise<void>((resolve) => {
      client.once("ready", resolve);
    });
    process.kill(before, "SIGKILL");
    await back;
    expect(await client.get("kept")).toBe("yes");
    expect(server.pid).not.toBe(before);
    client.disconnect();
  });

  it("leaves no orphan when its parent is killed, and the next start on the directory waits for it", async () => {
    const dir = join(scratch, "orphan");
    const script = `
      import { startRedisServer } from ${JSON.stringify(join(import.meta.dirname, "../../src/store/redis-server.ts"))};
      const server = await startRedisServer({ dir: ${JSON.stringify(dir)} });
      console.log(server.pid);
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const orphan = Number(line.toString());
    expect(isAlive(orphan)).toBe(true);
    parent.kill("SIGKILL");
    await once(parent, "exit");
    await using next = await startRedisServer({ dir });
    expect(isAlive(orphan)).toBe(false);
    expect(next.pid).not.toBe(orphan);
  });

  it("puts its socket elsewhere when the directory's path is too long for one", async () => {
    const dir = join(scratch, "d".repeat(60), "e".repeat(60));
    const server = await startRedisServer({ dir });
    expect(server.url.length).toBeLessThan(107);
    const client = new Redis(server.url);
    expect(await client.ping()).toBe("PONG");
    client.disconnect();
    await server.stop();
    expect(existsSync(server.url)).toBe(false);
  });

  it("says what the server said when it cannot start", async () => {
    const dir = join(scratch, "broken");
    mkdirSync(join(dir, "appendonlydir"), { recursive: true });
    writeFileSync(join(dir, "appendonlydir", "appendonly.aof.manifest"), "nonsense\n");
    await expect(startRedisServer({ dir })).rejects.toMatchObject({
      code: "REDIS_UNREACHABLE",
      message: expect.stringMatching(/did not start.*(manifest|AOF)/is),
    });
  });
});
