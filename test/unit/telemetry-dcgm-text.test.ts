import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classify } from "../../src/core/idleness.ts";
import { parseDcgmText } from "../../src/telemetry/dcgm-text.ts";
import { parsePrometheusText } from "../../src/telemetry/prometheus-text.ts";

const scrape = { host: "10.0.0.7", atMs: 50_000, wallMs: 1_700_000_000_000 };
const util = new Set(["DCGM_FI_DEV_GPU_UTIL"]);

function line(metric: string, value: string, labels = ""): string {
  return `DCGM_FI_${metric}{gpu="3",UUID="GPU-a",device="nvidia3",modelName="NVIDIA H100",Hostname="node-1"${labels}} ${value}\n`;
}

describe("Prometheus text", () => {
  it("reads escapes, special numbers, time stamps, comments, and leaves other metrics alone", () => {
    const text = [
      "# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).",
      'DCGM_FI_DEV_GPU_UTIL{a="x\\"y\\\\z\\n, }",b="",} 12.5 1700000000000',
      "DCGM_FI_DEV_GPU_UTIL NaN",
      'DCGM_FI_DEV_GPU_UTIL{a="1"} +Inf',
      "DCGM_FI_DEV_GPU_UTIL 1.2e-3\r",
      "DCGM_FI_DEV_GPU_UTILITY 4",
      "another_total{} oops",
      "",
    ].join("\n");
    const { lines, brokenLines } = parsePrometheusText(text, util);
    expect(brokenLines).toBe(0);
    expect(lines.map(({ value, timestampMs }) => [value, timestampMs])).toEqual([
      [12.5, 1_700_000_000_000],
      [NaN, null],
      [Infinity, null],
      [0.0012, null],
    ]);
    expect([...lines[0]!.labels]).toEqual([
      ["a", 'x"y\\z\n, }'],
      ["b", ""],
    ]);
  });

  it("counts broken lines and keeps the others, whatever is between them", () => {
    const good = 'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-a"} 7';
    const bad = fc.constantFrom(
      'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-a} 7',
      "DCGM_FI_DEV_GPU_UTIL{UUID=GPU-a} 7",
      'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-a"}',
      'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-a"} 0x10',
      'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-a"} 7 8 9',
      "DCGM_FI_DEV_GPU_UTIL",
      'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-a"} seven',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant(good), bad)), (rows) => {
        const { lines, brokenLines } = parsePrometheusText(rows.map((row) => `${row}\n`).join(""), util);
        expect(lines.length).toBe(rows.filter((row) => row === good).length);
        expect(brokenLines).toBe(rows.filter((row) => row !== good).length);
      }),
    );
  });

  it("survives any text", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("{", "}", '"', ",", "=", "\\", " ", "\n", "1", ".", "a", "-") }),
        (text) => {
          const { lines } = parsePrometheusText(`DCGM_FI_DEV_GPU_UTIL${text}`, util);
          expect(lines.every(({ name }) => name === "DCGM_FI_DEV_GPU_UTIL")).toBe(true);
        },
      ),
    );
  });

  it("takes no longer for hostile lines than for others", () => {
    const hostile = [" ", "\t", "{", "} ", '{a="', "\\", " 1", '{a="b",'].map(
      (part) => `DCGM_FI_DEV_GPU_UTIL${part.repeat(200_000)}\n`,
    );
    const startMs = performance.now();
    expect(parsePrometheusText(hostile.join(""), util)).toEqual({ lines: [], brokenLines: hostile.length });
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  it("does not trust a last line without its end: a part of a number is another number", () => {
    const { lines, brokenLines } = parsePrometheusText(
      "DCGM_FI_DEV_GPU_UTIL 5\nDCGM_FI_DEV_GPU_UTIL 0",
      util,
    );
    expect([lines.length, brokenLines]).toEqual([1, 1]);
  });
});

describe("dcgm-exporter's text", () => {
  it("becomes one reading a device, with what its labels say", () => {
    const text =
      line("DEV_GPU_UTIL", "0", ',container="main",namespace="team",pod="server-0"') +
      line("PROF_GR_ENGINE_ACTIVE", "0.000000") +
      line("DEV_FB_USED", "24000") +
      line("DEV_FB_FREE", "57000");
    const { readings } = parseDcgmText(text, scrape);
    expect(readings).toEqual([
      {
        info: { uuid: "GPU-a", host: "node-1", model: "NVIDIA H100", index: 3, memoryTotalMib: 81_000 },
        sample: {
          device: "GPU-a",
          atMs: 50_000,
          attribution: "device",
          utilPct: 0,
          engineActiveRatio: 0,
          memoryUsedMib: 24_000,
          memoryFreeMib: 57_000,
          ownerProcesses: null,
          pod: "team/server-0",
        },
      },
    ]);
  });

  it("trap: missing pod labels (dcgm-exporter#307, #151, #342) are tolerated, and so is every other label but UUID", () => {
    const { readings, brokenLines } = parseDcgmText(
      'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-a"} 1\nDCGM_FI_DEV_GPU_UTIL{gpu="0"} 1\n',
      scrape,
    );
    expect(readings.map(({ info, sample }) => [info, sample.pod])).toEqual([
      [{ uuid: "GPU-a", host: "10.0.0.7", model: "", index: 0, memoryTotalMib: null }, null],
    ]);
    expect(brokenLines).toBe(1);
  });

  it("tells the instances of a split GPU apart, and does not offer the GPU as a whole", () => {
    const text =
      line("DEV_FB_USED", "900") +
      line("PROF_GR_ENGINE_ACTIVE", "0.9", ',GPU_I_PROFILE="1g.10gb",GPU_I_ID="7"') +
      line("PROF_GR_ENGINE_ACTIVE", "0", ',GPU_I_PROFILE="1g.10gb",GPU_I_ID="8"');
    const { readings } = parseDcgmText(text, scrape);
    expect(readings.map(({ info, sample }) => [info.uuid, sample.engineActiveRatio])).toEqual([
      ["GPU-a/gi-7", 0.9],
      ["GPU-a/gi-8", 0],
    ]);
  });

  it("I6: never makes an idle device of an instance whose utilisation reads 0, as some versions say of all", () => {
    const context = { nowMs: 50_000, staleMs: 45_000, leased: false };
    const stateAt = (util: string) => {
      const text = line("DEV_GPU_UTIL", util, ',GPU_I_ID="7"') + line("DEV_FB_USED", "900", ',GPU_I_ID="7"');
      return classify(parseDcgmText(text, scrape).readings[0]!.sample, context).state;
    };
    expect([stateAt("0"), stateAt("3")]).toEqual(["unknown", "busy"]);
  });

  it("I6: never makes an idle device of NaN, of DCGM's blank values, or of a metric that is absent", () => {
    const context = { nowMs: 50_000, staleMs: 45_000, leased: false };
    for (const value of ["NaN", "-1", "+Inf", "9223372036854775794", "140737488355328", "101"]) {
      for (const metric of ["DEV_GPU_UTIL", "PROF_GR_ENGINE_ACTIVE"]) {
        const other = metric === "DEV_GPU_UTIL" ? "PROF_GR_ENGINE_ACTIVE" : "DEV_GPU_UTIL";
        for (const text of [
          line(metric, value) + line(other, "0"),
          line(metric, "0") + line(metric, value) + line(other, "0"),
        ])
          expect(classify(parseDcgmText(text, scrape).readings[0]!.sample, context).state).toBe("unknown");
      }
    }
    expect(
      classify(parseDcgmText(line("PROF_GR_ENGINE_ACTIVE", "0"), scrape).readings[0]!.sample, context).state,
    ).toBe("unknown");
  });

  it("lets the busiest of several lines of a shared device count", () => {
    const shared = ["0", "35", "0"]
      .map((value, pod) => line("DEV_GPU_UTIL", value, `,namespace="team",pod="p-${pod}"`))
      .join("");
    expect(parseDcgmText(shared, scrape).readings.map(({ sample }) => [sample.utilPct, sample.pod])).toEqual([
      [35, "team/p-0"],
    ]);
  });

  it("takes a reading for as old as its time stamp says", () => {
    const text = line("DEV_GPU_UTIL", `0 ${scrape.wallMs - 60_000}`);
    expect(parseDcgmText(text, scrape).readings[0]!.sample.atMs).toBe(-10_000);
  });
});
