import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Figures, Section } from "./figures.ts";

const entry = join(import.meta.dirname, "../../src/main.ts");
const tellUsage =
  "data:text/javascript,process.on('exit',()=>process.stderr.write('\\n'+JSON.stringify(process.resourceUsage())))";

/** The whole command, as a person runs it, on one core. */
export function command(shape: "devices" | "pools", name: string, trace: string, wallSMax: number): Section {
  return {
    trace,
    targets: { [`${name}WallS`]: { max: wallSMax }, [`${name}PeakMb`]: { max: 500 } },
    async measure(path): Promise<Figures> {
      const startMs = performance.now();
      const backtest = ["backtest", "--trace", path, "--shape", shape, "--policy", "learned", "--json"];
      const node = [process.execPath, "--import", tellUsage, entry];
      const { stderr } = await promisify(execFile)("taskset", ["-c", "0", ...node, ...backtest]);
      const wallS = (performance.now() - startMs) / 1_000;
      const usage = JSON.parse(stderr.split("\n").at(-1)!) as NodeJS.ResourceUsage;
      return {
        [`${name}WallS`]: wallS,
        [`${name}CpuS`]: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
        [`${name}PeakMb`]: (usage.maxRSS * 1_024) / 1e6,
      };
    },
  };
}
