import { join } from "node:path";
import { readJobTrace, type JobTrace } from "../../../src/backtest/trace/job-trace.ts";
import type { VictimLease } from "../../../src/core/eviction-cost.ts";
import type { VictimDevice } from "../../../src/core/victim-device.ts";
import { readCsvLines } from "../../../src/telemetry/csv-lines.ts";
import { below, pick, type Instance, type Random } from "./instances.ts";

export const traceFiles = ["openb.nodes.csv.gz", "openb.pods.csv.gz", "itp.jobs.csv.gz"] as const;

/** What real fleets look like: sizes of hosts, requests of pods, durations of jobs by their number of GPUs. */
export interface FleetTraces {
  readonly hostSizes: readonly number[];
  readonly requests: readonly { readonly gpus: number; readonly permille: number }[];
  readonly jobs: JobTrace;
  readonly durations: Durations;
}

export async function readFleetTraces(folder: string): Promise<FleetTraces> {
  const [nodes, pods, jobs] = traceFiles.map((name) => join(folder, name));
  const requests = (await columns(pods!, ["num_gpu", "gpu_milli"])).map(([gpus, milli]) => ({
    gpus: gpus!,
    permille: milli!,
  }));
  const jobTrace = await readJobTrace(jobs!);
  return {
    hostSizes: (await columns(nodes!, ["gpu"])).map(([gpus]) => gpus!),
    requests: requests.filter(({ gpus, permille }) => gpus > 0 && permille > 0),
    jobs: jobTrace,
    durations: new Durations(jobTrace),
  };
}

const checkpointEveryMs = [300_000, 1_800_000, 3_600_000];

/**
 * An owner wants as many devices as a job of the trace has, of hosts with at least half as many again; every second fleet is lent whole, of the others a
 * fifth is free. Devices are lent to requests of pods, gangs on one host. Each guest is somewhere in the run of a job of its size, the longer the likelier, and
 * has checkpointed every 5, 30 or 60 minutes; every tenth never does.
 */
export function traceInstance(traces: FleetTraces, random: Random, countMin = 1): Instance {
  const { hostSizes, requests, jobs, durations } = traces;
  let count = 0;
  while (count < countMin) count = Math.min(64, jobs.gpus[below(random, jobs.gpus.length)]!);
  const devices: VictimDevice[] = [];
  const freeShare = random() < 0.5 ? 0 : 0.2;
  const hostsMin = 4 + below(random, 12);
  for (let host = 0; host < hostsMin || devices.length < 1.5 * count; host++) {
    const size = pick(random, hostSizes);
    const leases: VictimLease[][] = [];
    while (leases.length < size) {
      if (random() < freeShare) {
        leases.push([]);
        continue;
      }
      const { gpus, permille } = pick(random, requests);
      const span = Math.min(gpus, size - leases.length);
      const one = () =>
        guest(`${host}/${leases.length}`, span * permille, durations.runningMs(random, span), random);
      const shared = [one()];
      const sharersMax = span === 1 ? Math.floor(1_000 / permille) : 1;
      while (shared.length < sharersMax && random() < 0.7)
        shared.push({ ...one(), id: `${host}/${leases.length}/${shared.length}` });
      for (let place = 0; place < span; place++) leases.push(shared);
    }
    leases.forEach((its, place) =>
      devices.push({ uuid: `${host}-${place}`, host: `host-${host}`, leases: its }),
    );
  }
  return { devices, count };
}

function guest(id: string, permille: number, workedMs: number, random: Random): VictimLease {
  const everyMs = pick(random, checkpointEveryMs);
  return {
    id,
    permille,
    checkpointAgeMs: random() < 0.1 ? null : Math.min(workedMs, random() * everyMs),
    workedMs,
    startMs: pick(random, [10_000, 30_000, 120_000]),
    remainingMs: null,
    hasNotice: random() < 0.7,
    isLeaving: false,
    evictions: pick(random, [0, 0, 0, 1, 2, 5]),
    evictionsLeft: 100,
  };
}

/** Tells how long a job that is seen running has run so far. */
class Durations {
  /** By number of GPUs, with the sum of all durations up to each job, ms. */
  readonly #sumsMs = new Map<number, number[]>();

  constructor({ gpus, durationS }: JobTrace) {
    gpus.forEach((count, job) => {
      const sums = this.#sumsMs.get(count) ?? [0];
      this.#sumsMs.set(count, sums);
      sums.push(sums.at(-1)! + durationS[job]! * 1_000);
    });
  }

  /** Of a job of so many GPUs, or of the next smaller number that there is. */
  runningMs(random: Random, gpus: number): number {
    const sums = this.#sumsMs.get(gpus);
    if (sums === undefined) return this.runningMs(random, gpus - 1);
    const atMs = random() * sums.at(-1)!;
    return atMs - sums[sums.findIndex((sum) => sum > atMs) - 1]!;
  }
}

/** The fields of some columns, as numbers. */
async function columns(path: string, names: readonly string[]): Promise<number[][]> {
  const rows: number[][] = [];
  let places: readonly number[] | null = null;
  for await (const [fields] of readCsvLines(path)) {
    if (places === null) places = names.map((name) => fields.indexOf(name));
    else rows.push(places.map((place) => Number(fields[place])));
  }
  return rows;
}
