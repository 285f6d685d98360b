import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { DeviceRules, PoolRules } from "../../../src/backtest/rules.ts";
import { withDirectory, type Figures } from "./figures.ts";
import type { DeviceCase, PoolCase } from "./random-cases.ts";

const shared = new URL("../../../../shared/", import.meta.url).pathname;
const refereeDir = join(shared, "referee");
const python = process.env["GLEANER_PYTHON"] ?? "python3";

/** A real trace for development, or null where this machine has none. */
export function realTrace(name: string): string | null {
  const path = join(shared, "traces", name);
  return existsSync(path) ? path : null;
}

/** Why the referee cannot be asked here; null: it can. */
export function noReferee(): string | null {
  if (!existsSync(refereeDir)) return "there is no ../shared/referee";
  try {
    execFileSync(python, ["-c", "import numpy, pandas"], { stdio: "ignore" });
    return null;
  } catch {
    return `${python} has no numpy and pandas (set GLEANER_PYTHON to one that has)`;
  }
}

/** A trace's and a decisions' file, and the rules to score by. */
export interface RefereeCase {
  readonly shape: "devices" | "pools";
  readonly trace: string;
  readonly decisions: string;
  readonly rules: DeviceRules | PoolRules;
}

export async function askReferee(cases: readonly RefereeCase[]): Promise<Figures[]> {
  const child = spawn(python, [new URL("referee_figures.py", import.meta.url).pathname, refereeDir]);
  const asked = cases.map((kase) => ({ ...kase, rules: refereeRules(kase.rules) }));
  child.stdin.end(JSON.stringify(asked));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (stdout === "") throw new Error(`the referee failed: ${stderr}`);
  return JSON.parse(stdout) as Figures[];
}

export async function refereeFigures(cases: readonly (DeviceCase | PoolCase)[]): Promise<Figures[]> {
  return withDirectory(async (dir) => {
    const asked = cases.map(async (kase, index): Promise<RefereeCase> => {
      const trace = join(dir, `${index}.csv`);
      const decisions = join(dir, `${index}.decisions.csv`);
      const { shape, csv, rules } = kase;
      await writeFile(trace, csv);
      const lines =
        shape === "devices"
          ? ["time_s,device,action", ...kase.decisions.map((line) => Object.values(line).join())]
          : ["time_s,pool,lent", ...kase.decisions.map((line) => Object.values(line).join())];
      await writeFile(decisions, `${lines.join("\n")}\n`);
      return { shape, trace, decisions, rules };
    });
    return askReferee(await Promise.all(asked));
  });
}

/** penaltyS is penalty_s there. */
function refereeRules(rules: DeviceRules | PoolRules): Record<string, unknown> {
  const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(rules).map(([name, value]) => [snake(name), value]));
}
