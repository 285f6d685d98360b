import type { DeviceInfo, Sample } from "../core/device.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import { parseDcgmText } from "./dcgm-text.ts";
import type { TelemetrySource } from "./source.ts";

export interface DcgmOptions {
  /** Of the exporters, for instance http://10.0.0.7:9400/metrics. */
  readonly urls: readonly string[];
  readonly poolOf: (device: Omit<DeviceInfo, "pool">, pod: string | null) => string;
  readonly sampleIntervalMs: number;
  readonly scrapeTimeoutMs: number;
  /** Scrapes under way at once. */
  readonly scrapesMax: number;
  readonly scrapeBytesMax: number;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Exporter {
  readonly url: string;
  readonly host: string;
  dueMs: number;
  failures: number;
  /** Last said of it; empty: all is well. */
  trouble: string;
  readonly devices: Map<string, DeviceInfo>;
}

/** An exporter that fails is asked more and more rarely, at most this much. */
const backoffIntervalsMax = 8;
/** A host with 16 GPUs of 7 instances has 112; more is an exporter that makes up names. */
const devicesPerExporterMax = 256;

/**
 * Scrapes dcgm-exporters, each at the sample interval and each for itself: one that is slow, broken or gone delays no other, and its devices
 * go stale. A change of its condition is said once. Throws CONFIG_INVALID for a URL that is none.
 */
export function openDcgm(options: DcgmOptions): TelemetrySource {
  return new DcgmSource(options);
}

class DcgmSource implements TelemetrySource {
  readonly #options: DcgmOptions;
  readonly #exporters: readonly Exporter[];

  constructor(options: DcgmOptions) {
    this.#options = options;
    const { urls, sampleIntervalMs, clock } = options;
    const nowMs = clock.monotonicMs();
    this.#exporters = [...new Set(urls)].map((url, nth) => ({
      url,
      host: hostOf(url),
      // Spread over an interval, so that they do not all answer at once.
      dueMs: nowMs + (sampleIntervalMs * nth) / urls.length,
      failures: 0,
      trouble: "",
      devices: new Map(),
    }));
  }

  devices(): readonly DeviceInfo[] {
    return this.#exporters.flatMap(({ devices }) => [...devices.values()]);
  }

  async *samples(signal: AbortSignal): AsyncGenerator<readonly Sample[]> {
    const { clock, scrapesMax } = this.#options;
    const stop = new AbortController();
    const stopped = AbortSignal.any([signal, stop.signal]);
    const underWay = new Map<Exporter, Promise<void>>();
    let ready: Sample[][] = [];
    try {
      while (!stopped.aborted) {
        const nowMs = clock.monotonicMs();
        const waiting = this.#exporters.filter((exporter) => !underWay.has(exporter));
        // The longest overdue first, so that none starves where all together are too many.
        const due = waiting
          .filter(({ dueMs }) => dueMs <= nowMs)
          .toSorted((a, b) => a.dueMs - b.dueMs)
          .slice(0, scrapesMax - underWay.size);
        for (const exporter of due) {
          const scrape = this.#scrape(exporter, stopped).then((samples) => {
            underWay.delete(exporter);
            if (samples.length > 0) ready.push(samples);
          });
          underWay.set(exporter, scrape);
        }
        const later = waiting.filter(({ dueMs }) => dueMs > nowMs).map(({ dueMs }) => dueMs - nowMs);
        await this.#wait([...underWay.values()], later, stopped);
        const batches = ready;
        ready = [];
        yield* batches;
      }
    } finally {
      stop.abort();
      await Promise.all(underWay.values());
    }
  }

  /** Until a scrape has ended or the next one is due. */
  async #wait(
    scrapes: readonly Promise<void>[],
    dueInMs: readonly number[],
    stopped: AbortSignal,
  ): Promise<void> {
    const sleepMs = dueInMs.reduce((least, ms) => Math.min(least, ms), this.#options.sampleIntervalMs);
    const awake = new AbortController();
    const sleep = this.#options.clock.sleep(sleepMs, AbortSignal.any([stopped, awake.signal]));
    await Promise.race([...scrapes, sleep]);
    awake.abort();
  }

  /** Never throws: what goes wrong is said, and the devices of the exporter are missing. */
  async #scrape(exporter: Exporter, stopped: AbortSignal): Promise<Sample[]> {
    const { clock, sampleIntervalMs, scrapeTimeoutMs, scrapeBytesMax } = this.#options;
    // A reading is at least as old as the question.
    const atMs = clock.monotonicMs();
    try {
      const signal = AbortSignal.any([stopped, AbortSignal.timeout(scrapeTimeoutMs)]);
      const text = await fetchText(exporter.url, scrapeBytesMax, signal);
      const { readings, brokenLines } = parseDcgmText(text, {
        host: exporter.host,
        atMs,
        wallMs: clock.wallMs(),
      });
      exporter.failures = 0;
      const unknown = readings.filter(({ info }) => !exporter.devices.has(info.uuid));
      const tooMany = exporter.devices.size + unknown.length > devicesPerExporterMax;
      if (!tooMany) for (const { info, sample } of readings) this.#know(exporter, info, sample.pod);
      this.#say(
        exporter,
        tooMany
          ? `names more than ${devicesPerExporterMax} devices`
          : readings.length === 0
            ? "shows no GPU"
            : brokenLines > 0
              ? "has broken lines"
              : "",
      );
      return readings.filter(({ info }) => exporter.devices.has(info.uuid)).map(({ sample }) => sample);
    } catch (thrown) {
      exporter.failures += 1;
      if (!stopped.aborted) this.#say(exporter, problemOf(thrown));
      return [];
    } finally {
      const intervals = Math.min(backoffIntervalsMax, 2 ** Math.max(0, exporter.failures - 1));
      exporter.dueMs = atMs + intervals * sampleIntervalMs;
    }
  }

  #know(exporter: Exporter, info: Omit<DeviceInfo, "pool">, pod: string | null): void {
    exporter.devices.set(info.uuid, { ...info, pool: this.#options.poolOf(info, pod) });
  }

  #say(exporter: Exporter, trouble: string): void {
    if (trouble === exporter.trouble) return;
    exporter.trouble = trouble;
    const { url } = exporter;
    if (trouble === "") this.#options.log.info({ url }, "the exporter is well again");
    else
      this.#options.log.warn(
        { url, reason: trouble },
        "the exporter is in trouble; what it does not show is unknown",
      );
  }
}

/** The whole body, or an error: a part of it could hide a busy device. */
async function fetchText(url: string, bytesMax: number, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal, redirect: "error", headers: { accept: "text/plain" } });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    if (!response.ok) throw new Error(`answers with status ${response.status}`);
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) throw new Error(`answers with more than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
  } finally {
    if (response.body !== null && !response.body.locked) await response.body.cancel();
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Without numbers that change from time to time, so that the same trouble is said once. */
function problemOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.name === "TimeoutError") return "does not answer in time";
  const cause = thrown.cause instanceof Error ? thrown.cause : undefined;
  return cause === undefined ? thrown.message : `${thrown.message}: ${cause.message}`;
}

function hostOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed !== null && ["http:", "https:"].includes(parsed.protocol)) return parsed.hostname;
  const problem = `${JSON.stringify(url)} is no http:// or https:// URL`;
  throw new GleanerError("CONFIG_INVALID", { source: "dcgm", field: "urls", problem, command: "agent" });
}
