import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { processesNaming } from "../../src/cli/processes.ts";
import type { Check } from "../../src/cli/demo/checks.ts";
import type { Report } from "../../src/report/report.ts";
import { runCli, startCli } from "../support/cli.ts";

it("shows the whole way on real parts, and every check of its own holds", async () => {
  const dir = mkdtempSync(join(tmpdir(), "gleaner-demo-test-"));
  try {
    const path = join(dir, "demo.json");
    const { code, stdout, stderr } = await runCli(["demo", "--seconds", "40", "--json", path]);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    const { checks, report, dataDir } = JSON.parse(readFileSync(path, "utf8")) as {
      checks: Check[];
      report: Report;
      dataDir: string;
    };
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(report.devices).toHaveLength(16);
    expect(report.owners.map(({ name }) => name)).toEqual(["owner-1", "owner-2"]);
    // What it says comes next works: the books outlive the run.
    const books = await runCli(["report", "--books", join(dataDir, "ledger.sqlite"), "--json"]);
    expect(JSON.parse(books.stdout)).toMatchObject({ balanced: true, returnsByRung: report.returnsByRung });
    expect(processesNaming(dataDir)).toEqual([]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

it("leaves no process when Ctrl-C ends it in the middle", async () => {
  const demo = startCli(["demo"]);
  const ended = once(demo, "close") as Promise<[number | null]>;
  let dataDir = "";
  for await (const line of createInterface(demo.stdout)) {
    dataDir ||= /(\/\S*gleaner-demo-\w+)/.exec(line)?.[1] ?? "";
    if (/\d running/.test(line)) break;
  }
  expect(existsSync(dataDir)).toBe(true);
  expect(processesNaming(dataDir).length).toBeGreaterThan(3);
  demo.stdout.resume();
  demo.kill("SIGINT");
  expect((await ended)[0]).toBe(130);
  expect(processesNaming(dataDir)).toEqual([]);
});
