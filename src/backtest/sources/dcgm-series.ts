/** What the series of dcgm-exporter say, in the layouts that are met in the field. */

const signals = {
  DCGM_FI_DEV_GPU_UTIL: { signal: "utilPct", most: 100 },
  DCGM_FI_DEV_FB_USED: { signal: "memoryUsedMib", most: 1e9 },
  // Before version 2.
  dcgm_gpu_utilization: { signal: "utilPct", most: 100 },
  dcgm_fb_used: { signal: "memoryUsedMib", most: 1e9 },
} as const;

const instanceMark = "/gi-";

/** All of them in one query. */
export const dcgmSelector = `{__name__=~"${Object.keys(signals).join("|")}"}`;

export interface DcgmSeries {
  readonly device: string;
  /** The GPU of which it is a MIG instance. */
  readonly instanceOf: string | null;
  readonly pool: string;
  readonly signal: "utilPct" | "memoryUsedMib";
  /** Of a sample; NaN for one that DCGM left blank, or that is none. */
  readonly valueOf: (text: string) => number;
}

type Labels = Readonly<Record<string, string>>;

/**
 * Whose series it is; null for one that names no GPU. A device is its UUID, with its MIG instance; without one its host and index. Its pool is the
 * label that was asked for, or the GPU's model: the pod that holds a GPU changes from hour to hour and makes no pool.
 */
export function readDcgmSeries(labels: Labels, poolLabel: string | null): DcgmSeries | null {
  const name = labels["__name__"] ?? "";
  if (!Object.hasOwn(signals, name)) return null;
  const { signal, most } = signals[name as keyof typeof signals];
  const device = deviceOf(labels);
  if (device === null) return null;
  const pool =
    toName(poolLabel === null ? (labels["modelName"] ?? "") : (labels[poolLabel] ?? "")) || "default";
  const valueOf = (text: string) => {
    const value = Number(text);
    return value >= 0 && value <= most ? value : NaN;
  };
  const [gpu = null, instance] = device.split(instanceMark);
  return { device, instanceOf: instance === undefined ? null : gpu, pool, signal, valueOf };
}

function deviceOf(labels: Labels): string | null {
  const uuid = labels["UUID"] ?? labels["uuid"] ?? "";
  const instance = labels["GPU_I_ID"] ?? "";
  if (uuid !== "") return toName(instance === "" ? uuid : `${uuid}${instanceMark}${instance}`);
  const host = labels["Hostname"] ?? labels["kubernetes_node"] ?? labels["node"] ?? labels["instance"] ?? "";
  const index = labels["gpu"] ?? "";
  return host === "" || index === "" ? null : toName(`${host}/gpu${index}`);
}

/** As traces name things. */
function toName(text: string): string {
  return text
    .replaceAll(/[^A-Za-z0-9._:/-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 127);
}
