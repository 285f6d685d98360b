/** How an exporter names its series: which are asked for, and what each says. */
export interface QueryPreset {
  /** Of all of them, in PromQL. */
  readonly selector: string;
  /** The labels by which a series names its GPU, in words. */
  readonly gpuLabels: string;
  /** Whose series it is; null for one that names no device. */
  readonly seriesOf: (labels: Labels, poolLabel: string | null) => DeviceSeries | null;
}

export type Labels = Readonly<Record<string, string>>;

export interface DeviceSeries {
  readonly device: string;
  /** The GPU of which it is a MIG instance. */
  readonly instanceOf: string | null;
  /** By the label that was asked for, or else the GPU's model; null where the label is missing. */
  readonly pool: string | null;
  /** `enginePct`: the part of the time in which its engines were at work. */
  readonly signal: "utilPct" | "enginePct" | "memoryUsedMib";
  /** Of a sample; NaN for one that the exporter left blank, or that is none. */
  readonly valueOf: (text: string) => number;
}
