import type { DeviceSeries, Labels, QueryPreset } from "./query-preset.ts";

/** What the series of dcgm-exporter say, in the layouts that are met in the field. */

const signals: Readonly<Record<string, Pick<DeviceSeries, "signal"> & { readonly scale: number }>> = {
  DCGM_FI_DEV_GPU_UTIL: { signal: "utilPct", scale: 1 },
  DCGM_FI_PROF_GR_ENGINE_ACTIVE: { signal: "enginePct", scale: 100 },
  DCGM_FI_DEV_FB_USED: { signal: "memoryUsedMib", scale: 1 },
  // From version 4.9 on.
  DCGM_FI_DEV_GPU_UTIL_RATIO: { signal: "utilPct", scale: 100 },
  DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO: { signal: "enginePct", scale: 100 },
  DCGM_FI_DEV_FB_USED_BYTES: { signal: "memoryUsedMib", scale: 2 ** -20 },
  // Before version 2.
  dcgm_gpu_utilization: { signal: "utilPct", scale: 1 },
  dcgm_fb_used: { signal: "memoryUsedMib", scale: 1 },
};

/** What DCGM can mean; its blank values (2^63 − …, 2^47) lie outside. */
const mostOf = { utilPct: 100, enginePct: 100, memoryUsedMib: 1e9 };

const uuidLabels = ["UUID", "uuid", "gpu_uuid"];
const hostLabels = ["Hostname", "hostname", "kubernetes_node", "node", "instance"];
const indexLabel = "gpu";

export const dcgm: QueryPreset = {
  // All of them in one query.
  selector: `{__name__=~"${Object.keys(signals).join("|")}"}`,
  gpuLabels: `${uuidLabels.join(", ")}, nor by ${indexLabel} with one of ${hostLabels.join(", ")}`,
  seriesOf(labels, poolLabel) {
    const name = labels["__name__"] ?? "";
    const uuid = toName(firstOf(labels, uuidLabels));
    const device = uuid === "" ? placeOf(labels) : uuid;
    if (!Object.hasOwn(signals, name) || device === "") return null;
    const { signal, scale } = signals[name]!;
    const instance = firstOf(labels, ["GPU_I_ID", "gpu_i_id"]);
    // The pod that holds a GPU changes from hour to hour and makes no pool.
    const pool = toName(firstOf(labels, poolLabel === null ? ["modelName", "model_name"] : [poolLabel]));
    // DCGM knows no utilisation of instances: some versions leave it out, some say 0 (dcgm-exporter#216).
    const least = instance !== "" && signal === "utilPct" ? Number.MIN_VALUE : 0;
    return {
      device: instance === "" ? device : toName(`${device}/gi-${instance}`),
      instanceOf: instance === "" ? null : device,
      pool: pool === "" ? null : pool,
      signal,
      valueOf(text) {
        const value = text.trim() === "" ? NaN : Number(text) * scale;
        return value >= least && value <= mostOf[signal] ? value : NaN;
      },
    };
  },
};

/** A GPU without a UUID, by its host and index. */
function placeOf(labels: Labels): string {
  const host = firstOf(labels, hostLabels);
  const index = firstOf(labels, [indexLabel]);
  return host === "" || index === "" ? "" : toName(`${host}/gpu${index}`);
}

/** Empty where there is none of them. */
function firstOf(labels: Labels, names: readonly string[]): string {
  return names.map((name) => labels[name] ?? "").find((value) => value !== "") ?? "";
}

/** As traces name things. */
function toName(text: string): string {
  return text
    .replaceAll(/[^A-Za-z0-9._:/-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 127);
}
