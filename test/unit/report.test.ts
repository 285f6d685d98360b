import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";
import { categories } from "../../src/core/account-category.ts";
import { reportCsv } from "../../src/report/csv.ts";
import { waitTimes } from "../../src/report/groups.ts";
import type { DeviceBooks, GroupBooks, Report } from "../../src/report/report.ts";
import { reportText } from "../../src/report/text.ts";

const hourUs = 3_600_000_000;
const group = (name: string): GroupBooks => ({
  name,
  deviceHours: 27_000.5,
  hours: categories.map((category) => ({ category, reason: "", deviceHours: 3_000 })),
  harvestedGpuHours: 15_000,
  usefulGpuHours: 3_000,
  lostGpuHours: 3_000,
  usefulMoney: 7_500,
  leases: 1_234,
  evictions: 321,
  meetings: 99,
  meetingsPerGpuDay: 0.088,
  meetingsPerGpuDayMax: name === "research-training" ? 0.1 : null,
  returns: 4_021,
  waitedShare: 0.0246,
  waitedShareMax: name === "research-training" ? 0.02 : null,
  computeWait: { count: 99, p50Ms: 4.2, p99Ms: 48, maxMs: 1_290 },
  releaseWait: { count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 },
  deadlinesMissed: 2,
});
const device = (index: number): DeviceBooks => ({
  device: `GPU-${index}f2b1c33-aaaa-bbbb-cccc-0123456789ab`,
  pool: "research-training",
  host: 'rack "7", left',
  owner: "=cmd()",
  fromMs: 0,
  toMs: 9_000 * 3_600_000,
  elapsedUs: 9_000 * hourUs,
  amounts: categories.map((category) => ({
    category,
    reason: category === "idle_unlent" ? "no_guest" : "",
    deviceUs: 1_000 * hourUs,
  })),
});
const report: Report = {
  fromMs: 0,
  toMs: 9_000 * 3_600_000,
  total: group("all"),
  pools: [group("research-training")],
  owners: [group("")],
  tenants: [group("red"), group("blue")],
  devices: [device(1), device(2), device(3)],
  balanced: true,
  gaps: ["Nobody watched for a while."],
  guestsByState: { waiting: 3, succeeded: 12 },
  returnsByRung: { pause: 90, vacate: 6, kill: 1, recall: 2 },
  calibration: {
    fromMs: 0,
    total: [
      {
        horizonMs: 3_600_000,
        count: 123_456_789,
        said: 0.253,
        came: 0.202,
        brier: 0.1254,
        interval: { low: -0.0123, high: 0.114 },
      },
    ],
    pools: Array.from({ length: 11 }, (_, index) => ({
      pool: `research-training-${index}`,
      horizons: [{ horizonMs: 60_000, count: 1, said: 0.5, came: 1, brier: 0.25, interval: null }],
    })),
  },
};

describe("the report as text", () => {
  const text = reportText(report, { colors: false, pricePerGpuHour: 2.5 });

  it("fits 100 columns even with every category, every figure large and long names", () => {
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(100);
  });

  it("shows the sum against the elapsed time of each device, and says that the books balance", () => {
    expect(text.match(/1000\.0 +1000\.0 +1000\.0 += 9000\.0$/gm)).toHaveLength(3);
    expect(text).toContain("Σ categories = elapsed on all 3 devices");
  });

  it("I8: shouts when a device does not balance", () => {
    const off = { ...device(4), elapsedUs: 9_001 * hourUs };
    const broken = reportText(
      { ...report, devices: [off], balanced: false },
      { colors: false, pricePerGpuHour: 0 },
    );
    expect(broken).toContain("≠ 9001.0");
    expect(broken).toContain("THE BOOKS DO NOT BALANCE");
    expect(broken).not.toContain("money");
  });

  it("has the figures that a platform team asks for", () => {
    expect(text).toContain("99 returns served (pause 90, vacate 6, kill 1, recall 2)");
    expect(text).toContain("p50 4.2 ms, p99 48 ms, max 1.29 s (99 times)");
    expect(text).toContain("deadlines missed: 2");
    expect(text).toContain("7500.00 for the useful time, at 2.5 a GPU-hour");
    expect(text).toContain("3 waiting, 12 succeeded");
    expect(text).toContain("Gap: Nobody watched for a while.");
  });

  it("holds the forecast and the owners' numbers against what came, pool by pool", () => {
    expect(text).toMatch(/^  \(all\) +60 min +123456789 +25\.3 % +20\.2 % +−1\.2 … \+11\.4 +0\.125$/m);
    expect(text.match(/^  research-tr… +1 min +1 +50\.0 % +100\.0 % +– +0\.250$/gm)).toHaveLength(8);
    expect(text).toContain("and 3 pools more");
    expect(text).toMatch(/^  research-tr… +0\.10 +0\.09 +88\.0 % +99$/m);
  });

  it("says nothing of what the books alone do not know", () => {
    const alone = { ...report, calibration: null, pools: [group("other")] };
    expect(reportText(alone, { colors: false, pricePerGpuHour: 0 })).not.toMatch(/orecast|numbers/);
  });

  it("colours only when told to", () => {
    const escape = String.fromCodePoint(27);
    expect(text).not.toContain(escape);
    expect(reportText(report, { colors: true, pricePerGpuHour: 0 })).toContain(escape);
  });

  it("lists no more devices than asked for and counts the rest", () => {
    expect(reportText(report, { colors: false, pricePerGpuHour: 0, devicesMax: 1 })).toContain("and 2 more");
  });

  it("is readable for books without a device", () => {
    const none = { ...group("all"), deviceHours: 0, hours: [] };
    const empty = { ...report, total: none, pools: [], owners: [], tenants: [], devices: [] };
    expect(reportText(empty, { colors: false, pricePerGpuHour: 0 })).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe("the report as CSV", () => {
  const rows = parse(reportCsv(report), { columns: true }) as Record<string, string>[];

  it("has a row for each device and category, whose amounts sum to the elapsed time", () => {
    expect(rows).toHaveLength(3 * categories.length);
    const first = rows.filter((row) => row["device"] === report.devices[0]!.device);
    expect(first.reduce((sum, row) => sum + Number(row["device_us"]), 0)).toBe(
      Number(first[0]!["elapsed_us"]),
    );
  });

  it("keeps quotes and commas, and disarms what a spreadsheet would run", () => {
    expect(rows[0]).toMatchObject({
      host: 'rack "7", left',
      owner: "'=cmd()",
      from: "1970-01-01T00:00:00.000Z",
    });
  });
});

describe("waitTimes", () => {
  it("takes percentiles by nearest rank, unsorted input included", () => {
    const ms = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(waitTimes(ms)).toEqual({ count: 200, p50Ms: 100, p99Ms: 198, maxMs: 200 });
    expect(waitTimes([7])).toEqual({ count: 1, p50Ms: 7, p99Ms: 7, maxMs: 7 });
    expect(waitTimes([])).toEqual({ count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
  });
});
