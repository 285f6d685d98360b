import { describe, expect, it } from "vitest";
import { queryPresets } from "../../src/backtest/sources/query-presets.ts";
import { momentsOf } from "../../src/backtest/sources/readings.ts";

const { dcgm } = queryPresets;
const util = "DCGM_FI_DEV_GPU_UTIL";
const engine = "DCGM_FI_PROF_GR_ENGINE_ACTIVE";
const memory = "DCGM_FI_DEV_FB_USED";

type Labels = Readonly<Record<string, string>>;

/** A series of one sample, at 30 s. */
function one(name: string, labels: Labels, value: string) {
  return { labels: { __name__: name, ...labels }, samples: [[30, value]] as const };
}

function read(series: readonly ReturnType<typeof one>[], poolLabel: string | null = null) {
  return momentsOf(series, dcgm, poolLabel, 0, 60_000).flatMap(({ readings }) => readings);
}

/** Of one GPU. */
function readOne(...samples: readonly (readonly [name: string, value: string])[]) {
  const [reading] = read(samples.map(([name, value]) => one(name, { UUID: "GPU-1" }, value)));
  return reading;
}

describe("what dcgm-exporter has recorded", () => {
  it.each<[string, Labels, Labels]>([
    [
      "as it is scraped with honor_labels (GPU operator)",
      {
        gpu: "0",
        UUID: "GPU-1",
        pci_bus_id: "00000000:8D:00.0",
        device: "nvidia0",
        modelName: "NVIDIA H100 80GB HBM3",
        Hostname: "node-7",
        DCGM_FI_DRIVER_VERSION: "550.144.03",
        container: "train",
        namespace: "team-a",
        pod: "train-0",
      },
      { device: "GPU-1", pool: "NVIDIA-H100-80GB-HBM3" },
    ],
    [
      "as it is scraped without, where target labels win",
      {
        gpu: "0",
        UUID: "GPU-1",
        device: "nvidia0",
        modelName: "Tesla T4",
        Hostname: "node-7",
        namespace: "gpu-operator",
        pod: "nvidia-dcgm-exporter-x",
        container: "exporter",
        node: "node-7",
        exported_namespace: "team-a",
        exported_pod: "train-0",
        exported_container: "train",
      },
      { device: "GPU-1", pool: "Tesla-T4" },
    ],
    [
      "of a GPU that pods share (vgpu), of an HPC job, with an error",
      { UUID: "GPU-1", modelName: "A10", vgpu: "2", hpc_job: "17", err_code: "0", err_msg: "No Error" },
      { device: "GPU-1", pool: "A10" },
    ],
    [
      "with the labels of version 4.8.3 and later",
      { gpu: "0", gpu_uuid: "GPU-1", model_name: "NVIDIA B200", hostname: "node-7" },
      { device: "GPU-1", pool: "NVIDIA-B200" },
    ],
    ["with the labels of version 1", { gpu: "0", uuid: "GPU-1" }, { device: "GPU-1", pool: "default" }],
    ["without a UUID", { gpu: "3", Hostname: "node-7" }, { device: "node-7/gpu3", pool: "default" }],
    [
      "without a host too",
      { gpu: "3", Hostname: "", instance: "10.0.0.7:9400", UUID: "" },
      { device: "10.0.0.7:9400/gpu3", pool: "default" },
    ],
    [
      "of a MIG instance",
      { UUID: "GPU-1", GPU_I_PROFILE: "1g.5gb", GPU_I_ID: "7", modelName: "A100" },
      { device: "GPU-1/gi-7", pool: "A100" },
    ],
  ])("names a device by its labels: %s", (_, labels, named) => {
    expect(read([one(util, labels, "5")])).toMatchObject([{ ...named, utilPct: 5 }]);
  });

  it.each<[string, Labels]>([
    ["no GPU", { pod: "x" }],
    ["a host without an index", { Hostname: "node-7" }],
    ["a UUID of no letter or digit", { UUID: "---" }],
  ])("knows no device by %s", (_, labels) => {
    expect(read([one(util, labels, "0")])).toEqual([]);
  });

  it.each([
    [util, memory, "37", "4096"],
    ["dcgm_gpu_utilization", "dcgm_fb_used", "37", "4096"],
    ["DCGM_FI_DEV_GPU_UTIL_RATIO", "DCGM_FI_DEV_FB_USED_BYTES", "0.37", "4.294967296e+09"],
  ])("is read in the units of its version: %s, %s", (utilName, memoryName, utilText, memoryText) => {
    expect(readOne([utilName, utilText], [memoryName, memoryText])).toMatchObject({
      utilPct: 37,
      memoryUsedMib: 4_096,
    });
  });

  it.each(["NaN", "+Inf", "-1", "101", "9223372036854775794", "", " ", "busy"])(
    "is never idle by a utilisation of %j",
    (value) => {
      expect(readOne([util, value], [memory, "100"])).toMatchObject({ utilPct: NaN, memoryUsedMib: 100 });
    },
  );

  it.each<[string, [string, string][], number]>([
    [
      "neither hides the other's work: engines",
      [
        [util, "0"],
        [engine, "0.2"],
      ],
      20,
    ],
    [
      "neither hides the other's work: utilisation",
      [
        [util, "97"],
        [engine, "0"],
      ],
      97,
    ],
    [
      "one that is broken hides no work",
      [
        [util, "NaN"],
        [engine, "0.2"],
      ],
      20,
    ],
    [
      "one that is broken is not idle",
      [
        [util, "0"],
        [engine, "NaN"],
      ],
      NaN,
    ],
    ["engines at 0 prove nothing", [[engine, "0"]], NaN],
    ["engines at work do", [[engine, "0.2"]], 20],
    [
      "both at 0",
      [
        [util, "0"],
        [engine, "0"],
      ],
      0,
    ],
    ["memory alone says nothing", [[memory, "0"]], NaN],
  ])("is judged by utilisation and engines together: %s", (_, samples, utilPct) => {
    expect(readOne(...samples)).toMatchObject({ utilPct });
  });

  it("is the largest of the series of pods that share a GPU; beside one that is broken a 0 is none", () => {
    const shared = (...values: string[]) =>
      read(values.map((value, index) => one(util, { UUID: "GPU-1", pod: `p${index}` }, value)));
    expect([shared("0", "7", "3"), shared("NaN", "7"), shared("0", "NaN"), shared("0", "0")]).toMatchObject([
      [{ utilPct: 7 }],
      [{ utilPct: 7 }],
      [{ utilPct: NaN }],
      [{ utilPct: 0 }],
    ]);
  });

  it("is never idle by the utilisation of a MIG instance, which DCGM does not know, and knows no GPU around one", () => {
    const labels = { UUID: "GPU-1", GPU_I_ID: "7" };
    const whole = one(util, { UUID: "GPU-1" }, "0");
    const instance = (name: string, value: string) => one(name, labels, value);
    const device = "GPU-1/gi-7";
    expect(read([whole, instance(util, "0"), instance(engine, "0")])).toMatchObject([
      { device, utilPct: NaN },
    ]);
    expect(read([whole, instance(util, "0"), instance(engine, "0.5")])).toMatchObject([
      { device, utilPct: 50 },
    ]);
  });

  it("names pools by the label that was asked for, as the exporter's pod or the owner's may have it", () => {
    const labels = { UUID: "GPU-1", namespace: "gpu-operator", exported_namespace: "team-a" };
    const series = [one(util, labels, "5"), one(util, { UUID: "GPU-2", namespace: "gpu-operator" }, "0")];
    const poolsBy = (label: string) => read(series, label).map(({ pool }) => pool);
    expect(poolsBy("namespace")).toEqual(["gpu-operator", "gpu-operator"]);
    expect(poolsBy("exported_namespace")).toEqual(["team-a", "default"]);
  });

  it("says the same in whatever order series and samples come, doubled or not", () => {
    const series = [
      {
        labels: { __name__: util, UUID: "b", team: "x" },
        samples: [
          [30, "0"],
          [0, "7"],
        ] as const,
      },
      {
        labels: { __name__: util, UUID: "b", team: "y" },
        samples: [
          [0, "9"],
          [30, "0"],
        ] as const,
      },
      { labels: { __name__: util, UUID: "b" }, samples: [[0, "0"]] as const },
      {
        labels: { __name__: util, UUID: "a" },
        samples: [
          [0, "1"],
          [0, "0"],
        ] as const,
      },
    ];
    const said = [
      {
        atMs: 0,
        readings: [
          { device: "a", pool: "default", utilPct: 1, memoryUsedMib: NaN },
          { device: "b", pool: "x", utilPct: 9, memoryUsedMib: NaN },
        ],
      },
      { atMs: 30_000, readings: [{ device: "b", pool: "x", utilPct: 0, memoryUsedMib: NaN }] },
    ];
    for (const order of [series, series.toReversed(), [...series, ...series]])
      expect(momentsOf(order, dcgm, "team", 0, 60_000)).toEqual(said);
  });

  it("holds the first ms of its range and not the last", () => {
    const labels = { __name__: util, UUID: "GPU-1" };
    const samples = [59.999, 60, 119.999, 120].map((timeS) => [timeS, "0"] as const);
    const times = momentsOf([{ labels, samples }], dcgm, null, 60_000, 120_000).map(({ atMs }) => atMs);
    expect(times).toEqual([60_000, 119_999]);
  });
});
