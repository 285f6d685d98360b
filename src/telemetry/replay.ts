import { stat } from "node:fs/promises";
import type { DeviceInfo, Sample } from "../core/device.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import { readTrace, traceDevicesMax, type TraceTick } from "./devices-csv.ts";
import type { TelemetrySource } from "./source.ts";

export interface ReplayOptions {
  readonly path: string;
  /** Seconds of the trace in one second. */
  readonly speed: number;
  /** On which host the n-th of the chosen devices is; null: not played here. Several agents share one file by it. */
  readonly hostOf: (index: number) => string | null;
  /** How many devices, in the order of their first lines, or which. Default: all. */
  readonly devices?: number | readonly string[];
  /** Default: the pool of the device's first line. */
  readonly poolOf?: (device: string, csvPool: string) => string;
  /** Begin again at the end. */
  readonly loop: boolean;
  /** Where in the trace to begin, s. Default: its first time. */
  readonly startAtS?: number;
  /** The moment on the wall clock at which that is played, so that several keep step; one that joins later joins in the middle. Default: the first reading. */
  readonly startAtWallMs?: number;
  /** Of each device; traces do not tell. */
  readonly memoryTotalMib?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Replay extends TelemetrySource {
  /** Between two samples of a device, in the run's own time. */
  readonly tickMs: number;
  /** From the first sample to the last, without loops. */
  readonly durationMs: number;
}

const memoryTotalMibDefault = 48 * 1_024;

/**
 * Plays a trace of devices as if its owners worked now. Reads the whole file once before it answers, so that what is wrong with
 * it is said at the start: TRACE_INVALID, FILE_UNREADABLE, FILE_DAMAGED, CONFIG_INVALID. Broken lines are counted, said once and skipped.
 */
export async function openReplay(options: ReplayOptions): Promise<Replay> {
  const { path, speed, startAtS, log } = options;
  if (!(speed > 0 && speed < Infinity)) throw refused("speed", `must be more than 0, not ${speed}`);
  await refusePipe(path);
  const found = await survey(path);
  if (found.brokenLines > 0)
    log.warn(
      { path, lines: found.brokenLines, first: found.firstBroken },
      "broken lines of the trace are left out",
    );
  if (startAtS !== undefined && !(startAtS >= 0 && startAtS <= found.lastS))
    throw refused("startAtS", `must lie in the trace, which ends at ${found.lastS} s`);
  return new TraceReplay(options, found, choose(options, found.pools));
}

class TraceReplay implements Replay {
  readonly tickMs: number;
  readonly durationMs: number;
  readonly #options: ReplayOptions;
  readonly #fromS: number;
  readonly #devices: ReadonlyMap<string, DeviceInfo>;

  constructor(
    options: ReplayOptions,
    { firstS, lastS, tickS }: Survey,
    devices: ReadonlyMap<string, DeviceInfo>,
  ) {
    this.#options = options;
    this.#fromS = Math.max(firstS, options.startAtS ?? firstS);
    this.#devices = devices;
    this.tickMs = (tickS * 1_000) / options.speed;
    this.durationMs = ((lastS - this.#fromS) * 1_000) / options.speed;
  }

  devices(): readonly DeviceInfo[] {
    return [...this.#devices.values()];
  }

  async *samples(signal: AbortSignal): AsyncGenerator<readonly Sample[]> {
    const { path, clock, loop, log, startAtWallMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const startMs = startAtWallMs === undefined ? nowMs : nowMs + (startAtWallMs - clock.wallMs());
    const lapMs = this.durationMs + this.tickMs;
    try {
      for (let lap = loop ? Math.max(0, Math.floor((nowMs - startMs) / lapMs)) : 0; ; lap++) {
        for await (const tick of readTrace(path, () => {})) {
          const dueMs = startMs + lap * lapMs + ((tick.timeS - this.#fromS) * 1_000) / this.#options.speed;
          if (tick.timeS < this.#fromS || dueMs < nowMs) continue;
          const waitMs = dueMs - clock.monotonicMs();
          if (waitMs > 0) await clock.sleep(waitMs, signal);
          if (signal.aborted) return;
          const batch = this.#toSamples(tick, dueMs);
          if (batch.length > 0) yield batch;
        }
        if (!loop) return;
      }
    } catch (thrown) {
      // It was sound when it was opened. Its devices become unknown from here on.
      log.error({ err: thrown, path }, "the trace became unreadable while it was played");
    }
  }

  #toSamples({ rows }: TraceTick, atMs: number): Sample[] {
    const samples: Sample[] = [];
    for (const { device, utilPct, memoryUsedMib } of rows) {
      const info = this.#devices.get(device);
      if (info === undefined) continue;
      const memoryFreeMib =
        memoryUsedMib === null ? null : Math.max(0, (info.memoryTotalMib ?? 0) - memoryUsedMib);
      samples.push({
        device,
        atMs,
        attribution: "owner",
        utilPct,
        engineActiveRatio: null,
        memoryUsedMib,
        memoryFreeMib,
        ownerProcesses: null,
        pod: null,
      });
    }
    return samples;
  }
}

interface Survey {
  /** By device, in the order of their first lines. */
  readonly pools: ReadonlyMap<string, string>;
  readonly firstS: number;
  readonly lastS: number;
  readonly tickS: number;
  readonly brokenLines: number;
  readonly firstBroken: string;
}

async function survey(path: string): Promise<Survey> {
  const pools = new Map<string, string>();
  let firstS = NaN;
  let lastS = NaN;
  let tickS = Infinity;
  let brokenLines = 0;
  let firstBroken = "";
  const broken = (line: number, problem: string) => {
    if (brokenLines === 0) firstBroken = `line ${line}: ${problem}`;
    brokenLines += 1;
  };
  for await (const { timeS, rows } of readTrace(path, broken)) {
    if (Number.isNaN(firstS)) firstS = timeS;
    else tickS = Math.min(tickS, timeS - lastS);
    lastS = timeS;
    for (const { device, pool } of rows) if (!pools.has(device)) pools.set(device, pool);
    if (pools.size > traceDevicesMax)
      throw new GleanerError("TRACE_INVALID", {
        path,
        line: "?",
        problem: `more than ${traceDevicesMax} devices`,
      });
  }
  if (pools.size === 0)
    throw new GleanerError("TRACE_INVALID", { path, line: 2, problem: firstBroken || "no line of data" });
  return { pools, firstS, lastS, tickS: tickS === Infinity ? 1 : tickS, brokenLines, firstBroken };
}

function choose(options: ReplayOptions, pools: ReadonlyMap<string, string>): Map<string, DeviceInfo> {
  const {
    devices = Infinity,
    hostOf,
    poolOf = (_, csvPool) => csvPool,
    memoryTotalMib = memoryTotalMibDefault,
  } = options;
  if (typeof devices === "number" && !(devices >= 1))
    throw refused("devices", `must be at least 1, not ${devices}`);
  const names = typeof devices === "number" ? [...pools.keys().take(Math.min(devices, pools.size))] : devices;
  const chosen = new Map<string, DeviceInfo>();
  const onHost = new Map<string, number>();
  for (const [nth, uuid] of names.entries()) {
    const csvPool = pools.get(uuid);
    if (csvPool === undefined) throw refused("devices", `the trace has no device ${JSON.stringify(uuid)}`);
    const host = hostOf(nth);
    if (host === null) continue;
    const index = onHost.get(host) ?? 0;
    onHost.set(host, index + 1);
    chosen.set(uuid, { uuid, host, pool: poolOf(uuid, csvPool), model: "replayed", index, memoryTotalMib });
  }
  return chosen;
}

/** What the survey took from a pipe would not be there to be played. */
async function refusePipe(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found?.isFIFO() === true)
    throw new GleanerError("FILE_UNREADABLE", {
      path,
      problem: "a replay reads it twice, so no pipe will do",
    });
}

function refused(field: string, problem: string): GleanerError {
  return new GleanerError("CONFIG_INVALID", { source: "replay", field, problem, command: "agent" });
}
