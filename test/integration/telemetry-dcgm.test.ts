import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Sample } from "../../src/core/device.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { openDcgm, type DcgmOptions } from "../../src/telemetry/dcgm.ts";

const servers: Server[] = [];
let said: { url: string; reason?: string; msg: string }[] = [];
const log = createLogger({
  name: "test",
  level: "info",
  stream: { write: (line) => void said.push(JSON.parse(line) as (typeof said)[number]) },
});

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  said = [];
});

async function exporter(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

function text(uuid: string, util: number | string): string {
  return `# TYPE DCGM_FI_DEV_GPU_UTIL gauge\nDCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="${uuid}",Hostname="node-1"} ${util}\n`;
}

const well = (uuid: string) => exporter((_, response) => response.end(text(uuid, 0)));

function open(urls: string[], part: Partial<DcgmOptions> = {}) {
  return openDcgm({
    urls,
    poolOf: ({ host }, pod) => pod?.split("/")[0] ?? `pool-of-${host}`,
    sampleIntervalMs: 20,
    scrapeTimeoutMs: 200,
    scrapesMax: 8,
    scrapeBytesMax: 64 * 1_024,
    clock: systemClock,
    log,
    ...part,
  });
}

/** Reads until enough was seen, then stops. */
async function until(
  source: ReturnType<typeof open>,
  enough: (seen: readonly Sample[]) => boolean,
): Promise<Sample[]> {
  const stop = new AbortController();
  const seen: Sample[] = [];
  for await (const batch of source.samples(stop.signal)) {
    seen.push(...batch);
    if (enough(seen)) stop.abort();
  }
  return seen;
}

const of = (seen: readonly Sample[], uuid: string) => seen.filter(({ device }) => device === uuid);

describe("dcgm-exporters over HTTP", () => {
  it("are scraped at the interval, and what they show becomes devices and samples", async () => {
    const source = open([await well("GPU-a"), await well("GPU-b")]);
    const beforeMs = systemClock.monotonicMs();
    const seen = await until(source, (samples) =>
      ["GPU-a", "GPU-b"].every((uuid) => of(samples, uuid).length >= 3),
    );
    const timesMs = of(seen, "GPU-a").map(({ atMs }) => atMs);
    expect(timesMs[0]).toBeGreaterThanOrEqual(beforeMs);
    expect(timesMs[2]! - timesMs[0]!).toBeGreaterThanOrEqual(35);
    expect(source.devices()).toMatchObject([
      { uuid: "GPU-a", host: "node-1", pool: "pool-of-node-1" },
      { uuid: "GPU-b", host: "node-1", pool: "pool-of-node-1" },
    ]);
    expect(said).toEqual([]);
  });

  it("trap: one broken exporter never stops the others, and what it hides is missing, not 0", async () => {
    const behaviours: Record<string, [answer: RequestListener, says: RegExp]> = {
      slow: [() => {}, /^does not answer in time$/],
      failing: [
        (_, response) => response.writeHead(500).end(text("GPU-bad", 0)),
        /^answers with status 500$/,
      ],
      moved: [(_, response) => response.writeHead(302, { location: "/elsewhere" }).end(), /redirect/],
      truncated: [
        (_, response) => {
          response.writeHead(200, { "content-length": 10_000 });
          response.write(text("GPU-bad", 0), () => response.destroy());
        },
        /terminated|socket/,
      ],
      stalling: [(_, response) => void response.write(text("GPU-bad", 0)), /^does not answer in time$/],
      huge: [
        (_, response) => response.end(text("GPU-bad", 0).repeat(5_000)),
        /^answers with more than 65536 bytes$/,
      ],
      garbage: [
        (_, response) => response.end(Buffer.from("\u0000<html>\uFFFD{{{\n".repeat(50))),
        /^shows no GPU$/,
      ],
      empty: [(_, response) => response.end(), /^shows no GPU$/],
    };
    const urls = new Map<string, string>();
    for (const [name, [answer]] of Object.entries(behaviours)) urls.set(await exporter(answer), name);
    const source = open([...urls.keys(), await well("GPU-a"), "http://127.0.0.1:1/metrics"], {
      scrapesMax: 32,
      // All of them answer at once or never: long enough that a busy machine is not taken for the latter.
      scrapeTimeoutMs: 1_000,
    });
    const seen = await until(
      source,
      (samples) => of(samples, "GPU-a").length >= 20 && said.length > urls.size,
    );
    expect(new Set(seen.map(({ device }) => device))).toEqual(new Set(["GPU-a"]));
    for (const [url, name] of urls) {
      const about = said.filter((line) => line.url === url);
      expect(
        about.map(({ reason }) => reason),
        name,
      ).toEqual([expect.stringMatching(behaviours[name]![1])]);
    }
  });

  it("I11: are asked again after trouble, which is said once when it begins and once when it is over", async () => {
    let scrapes = 0;
    const url = await exporter((_, response) => {
      scrapes += 1;
      if (scrapes <= 2) response.writeHead(503).end();
      else response.end(text("GPU-a", scrapes === 3 ? "NaN" : 7));
    });
    const [first, second] = await until(open([url]), (samples) => samples.length >= 2);
    expect([first!.utilPct, second!.utilPct]).toEqual([NaN, 7]);
    expect(said.map(({ reason, msg }) => reason ?? msg)).toEqual([
      "answers with status 503",
      "the exporter is well again",
    ]);
  });

  it("keep the lines that are sound beside a broken one", async () => {
    const url = await exporter((_, response) => response.end(`${text("GPU-a", "4x")}${text("GPU-b", 5)}`));
    const [only] = await until(open([url]), (samples) => samples.length >= 1);
    expect([only!.device, only!.utilPct]).toEqual(["GPU-b", 5]);
    expect(said.map(({ reason }) => reason)).toEqual(["has broken lines"]);
  });

  it("I11: have a bound on scrapes under way and on the devices that one exporter may name", async () => {
    let open_ = 0;
    let most = 0;
    const answer: RequestListener = (_, response) => {
      most = Math.max(most, ++open_);
      setTimeout(() => {
        open_ -= 1;
        response.end(text("GPU-a", 1));
      }, 5);
    };
    const urls = await Promise.all(Array.from({ length: 12 }, () => exporter(answer)));
    let made = 0;
    const liar = await exporter((_, response) =>
      response.end(Array.from({ length: 100 }, () => text(`GPU-made-up-${made++}`, 0)).join("")),
    );
    const source = open([...urls, liar], { scrapesMax: 3 });
    await until(source, () => made >= 600);
    expect(most).toBeLessThanOrEqual(3);
    expect(source.devices().filter(({ uuid }) => uuid.startsWith("GPU-made-up")).length).toBe(200);
    expect(said.map(({ reason }) => reason)).toEqual(["names more than 256 devices"]);
  });

  it("refuse an address that is none", () => {
    expect(() => open(["node-1:9400"])).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining("node-1:9400") }),
    );
  });

  it("end within a moment when told to stop, with an answer outstanding", async () => {
    const stop = new AbortController();
    const url = await exporter(() => stop.abort());
    const startMs = performance.now();
    for await (const batch of open([url], { scrapeTimeoutMs: 60_000 }).samples(stop.signal))
      expect(batch).toEqual([]);
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});
