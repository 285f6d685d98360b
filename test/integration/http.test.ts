import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startHttp, type HttpServer } from "../../src/runtime/http.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";

const log = createLogger({ name: "test", level: "silent" });
const { registry, meetings } = createMetrics({ version: "1" });
const options = { registry, log, notReady: () => null };

describe("the HTTP server", () => {
  let server: HttpServer;
  let reason: string | null;
  let amiss: string | null;
  beforeEach(async () => {
    reason = null;
    amiss = null;
    server = await startHttp({
      ...options,
      address: "127.0.0.1:0",
      notReady: () => reason,
      amiss: () => amiss,
    });
  });
  afterEach(() => server.close());
  const get = (path: string, init?: RequestInit) => fetch(`http://${server.address}${path}`, init);

  it("serves the metrics in the text format that Prometheus asks for", async () => {
    meetings.inc({ pool: "research" });
    const response = await get("/metrics?x=1");
    expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    expect(await response.text()).toContain('gleaner_meetings_total{pool="research"} 1');
  });

  it("is healthy while it answers and ready when the process says so, with the reason when not", async () => {
    expect((await get("/healthz")).status).toBe(200);
    expect((await get("/readyz")).status).toBe(200);
    amiss = "the books are not kept";
    const ailing = await get("/readyz");
    expect([ailing.status, await ailing.text()]).toEqual([200, "ok, but: the books are not kept\n"]);
    reason = "Redis does not answer";
    expect((await get("/healthz")).status).toBe(200);
    const response = await get("/readyz");
    expect([response.status, await response.text()]).toEqual([503, "not ready: Redis does not answer\n"]);
  });

  it("answers 404 for another path and 405 for another method", async () => {
    expect((await get("/")).status).toBe(404);
    const response = await get("/metrics", { method: "POST", body: "x" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it("refuses oversized headers", async () => {
    const sent = request(`http://${server.address}/healthz`, {
      headers: { "x-long": "x".repeat(10_000) },
    }).end();
    const [response] = await once(sent, "response");
    expect(response.statusCode).toBe(431);
  });

  it("closes although a client keeps its connection open", async () => {
    await get("/healthz");
    await server.close();
    await expect(get("/healthz")).rejects.toThrow();
  });

  it("refuses an address that others can reach, unless it is allowed", async () => {
    for (const address of ["0.0.0.0:0", "[::]:0", "example.org:80"])
      await expect(startHttp({ ...options, address })).rejects.toMatchObject({ code: "INSECURE_LISTEN" });
    await using open = await startHttp({ ...options, address: "0.0.0.0:0", anyAddress: true });
    expect(open.address).toMatch(/^0\.0\.0\.0:\d+$/);
  });

  it("says which address is taken", async () => {
    await expect(startHttp({ ...options, address: server.address })).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining(server.address),
    });
  });
});

describe("shutdown", () => {
  const program = `
    import { listenForShutdown } from ${JSON.stringify(new URL("../../src/runtime/shutdown.ts", import.meta.url).href)};
    const shutdown = listenForShutdown({ onDrain: (signal) => console.log("drain", signal), dump: () => ({ leases: 3 }) });
    const alive = setInterval(() => {}, 1_000);
    process.on("SIGHUP", () => { shutdown[Symbol.dispose](); clearInterval(alive); });
    console.log("ready", shutdown.signal.aborted);
  `;
  async function start() {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = async (stream: "stdout" | "stderr", text: string) => {
      for (let heard = ""; !heard.includes(text);) heard += String((await once(child[stream], "data"))[0]);
    };
    await said("stdout", "ready false");
    return { child, said, ended: once(child, "exit") };
  }

  it("drains at the first signal and exits at once at the second", async () => {
    const { child, said, ended } = await start();
    const drained = said("stdout", "drain SIGTERM");
    child.kill("SIGTERM");
    await drained;
    expect(child.exitCode).toBe(null);
    child.kill("SIGINT");
    expect(await ended).toEqual([130, null]);
  });

  it("prints what it is doing on SIGUSR2 and goes on", async () => {
    const { child, said, ended } = await start();
    const dumped = said("stderr", '{"leases":3}');
    child.kill("SIGUSR2");
    await dumped;
    child.kill("SIGHUP");
    expect(await ended).toEqual([0, null]);
  });
});
