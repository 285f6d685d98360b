import type { DeviceInfo, Sample } from "../core/device.ts";
import { parsePrometheusText, type MetricLine } from "./prometheus-text.ts";

/** A device as one scrape of a dcgm-exporter shows it. */
export interface DcgmReading {
  readonly info: Omit<DeviceInfo, "pool">;
  readonly sample: Sample;
}

export interface Scrape {
  /** Stands in where the Hostname label is missing. */
  readonly host: string;
  /** When it was asked for, on the monotonic clock and on the wall. */
  readonly atMs: number;
  readonly wallMs: number;
}

const metrics = {
  DCGM_FI_DEV_GPU_UTIL: "utilPct",
  DCGM_FI_PROF_GR_ENGINE_ACTIVE: "engineActiveRatio",
  DCGM_FI_DEV_FB_USED: "memoryUsedMib",
  DCGM_FI_DEV_FB_FREE: "memoryFreeMib",
} as const;
type Field = (typeof metrics)[keyof typeof metrics];
const wanted = new Set(Object.keys(metrics));

/** What DCGM can mean; its blank values (2^63 − …, 2^47) and the like lie outside. */
const mostOf: Readonly<Record<Field, number>> = {
  utilPct: 100,
  engineActiveRatio: 1,
  memoryUsedMib: 1e9,
  memoryFreeMib: 1e9,
};

interface Gathered {
  readonly parent: string;
  readonly labels: ReadonlyMap<string, string>;
  ageMs: number;
  readonly values: Record<Field, number | null>;
  readonly broken: Set<Field>;
}

/** Reads dcgm-exporter's text. A reading that carries a time stamp is as old as that says. */
export function parseDcgmText(
  text: string,
  scrape: Scrape,
): { readings: DcgmReading[]; brokenLines: number } {
  const { lines, brokenLines } = parsePrometheusText(text, wanted);
  const devices = new Map<string, Gathered>();
  let unnamed = 0;
  for (const line of lines) {
    const uuid = line.labels.get("UUID") ?? "";
    if (uuid === "") unnamed += 1;
    else gather(devices, uuid, line, scrape.wallMs);
  }
  // A GPU that is split into instances cannot be lent as a whole.
  const split = new Set(
    [...devices].filter(([uuid, { parent }]) => uuid !== parent).map(([, { parent }]) => parent),
  );
  const readings = [...devices]
    .filter(([uuid]) => !split.has(uuid))
    .map(([uuid, found]) => toReading(uuid, found, scrape));
  return { readings, brokenLines: brokenLines + unnamed };
}

function gather(
  devices: Map<string, Gathered>,
  parent: string,
  { name, labels, value, timestampMs }: MetricLine,
  wallMs: number,
): void {
  const instance = labels.get("GPU_I_ID") ?? "";
  const uuid = instance === "" ? parent : `${parent}/gi-${instance}`;
  let found = devices.get(uuid);
  if (found === undefined) {
    const values = { utilPct: null, engineActiveRatio: null, memoryUsedMib: null, memoryFreeMib: null };
    found = { parent, labels, ageMs: 0, values, broken: new Set() };
    devices.set(uuid, found);
  }
  const field = metrics[name as keyof typeof metrics];
  if (timestampMs !== null) found.ageMs = Math.max(found.ageMs, wallMs - timestampMs);
  if (!(value >= 0 && value <= mostOf[field])) {
    found.broken.add(field);
    return;
  }
  // DCGM knows no utilisation of instances: some versions leave it out, some say 0 (dcgm-exporter#216).
  if (instance !== "" && field === "utilPct" && value === 0) return;
  // Pods that share a device have a line each: what any of them uses is used.
  const known = found.values[field];
  const larger = known === null || (field === "memoryFreeMib" ? value < known : value > known);
  if (larger) found.values[field] = value;
}

function toReading(uuid: string, { labels, ageMs, values, broken }: Gathered, scrape: Scrape): DcgmReading {
  // A broken value is not a missing one, and a 0 beside it is no 0; anything else beside it still counts.
  for (const field of broken) values[field] ||= NaN;
  const { memoryUsedMib, memoryFreeMib } = values;
  const memoryTotalMib = (memoryUsedMib ?? NaN) + (memoryFreeMib ?? NaN);
  const pod = labels.get("pod") ?? "";
  const index = Number(labels.get("gpu") ?? "0");
  return {
    info: {
      uuid,
      host: labels.get("Hostname") || scrape.host,
      model: labels.get("modelName") ?? "",
      index: Number.isSafeInteger(index) && index >= 0 ? index : 0,
      memoryTotalMib: Number.isNaN(memoryTotalMib) ? null : memoryTotalMib,
    },
    sample: {
      device: uuid,
      atMs: scrape.atMs - ageMs,
      attribution: "device",
      ...values,
      ownerProcesses: null,
      pod: pod === "" ? null : `${labels.get("namespace") ?? ""}/${pod}`,
    },
  };
}
