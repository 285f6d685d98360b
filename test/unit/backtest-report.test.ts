import { describe, expect, it } from "vitest";
import { backtestDevices } from "../../src/backtest/backtest-devices.ts";
import { backtestPools } from "../../src/backtest/backtest-pools.ts";
import { deviceReport } from "../../src/backtest/report/device-report.ts";
import { originFrom } from "../../src/backtest/report/origin.ts";
import { poolReport } from "../../src/backtest/report/pool-report.ts";
import { defaultDeviceRules, defaultPoolRules, type DeviceRules } from "../../src/backtest/rules.ts";
import { poolNetS } from "../../src/backtest/score/pool-tally.ts";
import type { DeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { readPoolTrace } from "../../src/backtest/trace/pool-trace.ts";
import { writeText } from "../../src/backtest/write-text.ts";
import { withDirectory } from "../support/backtest/figures.ts";
import { smallDeviceTrace } from "../support/backtest/small-traces.ts";

const policies = ["learned", "lend-all", "age:300", "clairvoyant"];
const limits = { meetingsPerGpuDayMax: null, waitedShareMax: null, seed: 1 };
const evil = `<script>alert("1")</script>'&`;

function deviceHtml(trace: DeviceTrace, source = "fleet.csv"): string {
  const context = { rules: defaultDeviceRules, ...limits };
  const backtest = backtestDevices(trace, policies, context);
  return deviceReport(trace, context, backtest, originFrom(source, ["backtest", "--trace", source]), null);
}

async function poolTrace(name: string) {
  const lines = ["time_s,pool,gpus_total,gpus_busy,gpus_pending"];
  for (let tick = 0; tick < 400; tick++) {
    if (tick > 120 && tick < 130) continue;
    lines.push(`${60 * tick},swing,32,${Math.round(16 + 12 * Math.sin(tick / 9))},0`);
    lines.push(`${60 * tick},burst,8,${tick % 17 < 4 ? 8 : 2},${tick % 17 === 3 ? 4 : 0}`);
  }
  return withDirectory(async (dir) => {
    await writeText(`${dir}/pools.csv`, [lines.join("\n")]);
    const trace = await readPoolTrace(`${dir}/pools.csv`);
    return { ...trace, pools: [name, "burst"] };
  });
}

async function poolHtml(name: string): Promise<string> {
  const trace = await poolTrace(name);
  const context = { rules: defaultPoolRules, ...limits };
  const results = backtestPools(trace, policies, context);
  return poolReport(trace, context, results, originFrom("pools.csv", ["backtest"]));
}

describe("the report of a backtest", () => {
  it("of a small trace of devices is this one", async () => {
    const html = deviceHtml(smallDeviceTrace(["gpu-0", "gpu-1", "gpu-2"], "a100"));
    await expect(html).toMatchFileSnapshot("__snapshots__/backtest-report.devices.html");
  });

  it("is the same each time", async () => {
    const trace = smallDeviceTrace(["a", "b", "c"], "p");
    expect(deviceHtml(trace)).toBe(deviceHtml(trace));
    expect(await poolHtml("p")).toBe(await poolHtml("p"));
  });

  it("escapes whatever comes from files and the command line", async () => {
    const pages = [deviceHtml(smallDeviceTrace([evil, "b", "c"], evil), evil), await poolHtml(evil)];
    for (const page of pages) {
      expect(page).not.toMatch(/<script/i);
      expect(page).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;");
    }
  });

  it("needs no network and no script, and says all in words too", async () => {
    for (const page of [deviceHtml(smallDeviceTrace(["a", "b", "c"], "p")), await poolHtml("p")]) {
      expect(page).not.toMatch(/\b(src|href)=|url\(|@import|https?:|javascript:|\son\w+=/i);
      expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
      const drawings = page.match(/<svg[^>]*>/g)!;
      expect(drawings.length).toBeGreaterThanOrEqual(4);
      for (const drawing of drawings) expect(drawing).toMatch(/role="img"[^>]*aria-label="[^"]{20,}"/s);
      expect(page.match(/<details>/g)?.length).toBe(drawings.length);
      expect(page).toContain("prefers-color-scheme:dark");
      expect(page).toContain("@media print");
    }
  });

  it("closes what it opens", async () => {
    for (const page of [deviceHtml(smallDeviceTrace(["a", "b", "c"], "p")), await poolHtml("p")]) {
      const open: string[] = [];
      for (const [, closing, name, attributes] of page.matchAll(/<(\/?)([a-z]\w*)((?:"[^"]*"|[^">])*)>/g))
        if (closing === "/") expect(open.pop()).toBe(name);
        else if (!attributes!.endsWith("/") && name !== "meta") open.push(name!);
      expect(open).toEqual([]);
    }
  });

  it("stays small for many devices, and names the first and the last of those who share a line", () => {
    const names = Array.from({ length: 500 }, (_, index) => `gpu-${index}`);
    const page = deviceHtml(smallDeviceTrace(names, "p"));
    expect(page.length).toBeLessThan(2_000_000);
    expect(page).toContain("gpu-0 … gpu-3");
  });

  it("tells the command that makes it again, as a shell takes it, without names, passwords and queries of URLs", () => {
    const url = "https://me:secret@prometheus:9090/a@b?token=s@cr/t#top";
    const words = ["backtest", "--prometheus", url, "--pool-label", "it's"];
    expect(originFrom(url, words)).toEqual({
      source: "https://prometheus:9090/a@b",
      command: String.raw`gleaner backtest --prometheus https://prometheus:9090/a@b --pool-label 'it'\''s'`,
      history: null,
    });
    expect(originFrom(url, [`--prometheus=${url}`]).command).toBe(
      "gleaner --prometheus=https://prometheus:9090/a@b",
    );
  });

  it.each([
    "https://h:9?token=secret",
    "https://h:9/?q=me@secret",
    "https:///me:sec ret@h:9/?token=a secret",
  ])("shows no more of %s than scheme, host, port and path", (url) => {
    expect(originFrom(url, [url])).toMatchObject({ source: "https://h:9", command: "gleaner https://h:9" });
  });
});

describe("what is collected while policies are played", () => {
  it.each(["kill", "pause"] as const)("sums up to what each was worth: %s", (mode) => {
    const rules: DeviceRules = { ...defaultDeviceRules, mode };
    const trace = smallDeviceTrace(["a", "b", "c", "d"], "p");
    const { bounds, idleS, results } = backtestDevices(trace, policies, { rules, ...limits });
    expect(sum(idleS)).toBeCloseTo(bounds.idleS, 6);
    for (const { policy, tally, harvest } of results) {
      expect(tally.leases, policy).toBeGreaterThan(3);
      expect(sum(harvest.netS), policy).toBeCloseTo(tally.netS, 6);
      expect(sum(harvest.grossS), policy).toBeCloseTo(tally.grossS, 6);
    }
  });

  it("sums up to what each was worth: pools", async () => {
    const trace = await poolTrace("p");
    for (const { policy, total, flow } of backtestPools(trace, policies, {
      rules: defaultPoolRules,
      ...limits,
    })) {
      expect(sum(flow.netS), policy).toBeCloseTo(poolNetS(total, defaultPoolRules), 6);
      expect(sum(flow.lentS), policy).toBeCloseTo(total.lentS, 6);
      expect(sum(flow.idleS), policy).toBeCloseTo(total.idleS, 6);
      expect([sum(flow.arrivals), sum(flow.waited)], policy).toEqual([total.arrivals, total.waited]);
    }
  });
});

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
