// The charts of docs/forecast.md, from the traces that its figures are from.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { deviceCharts } from "./charts/device-charts.ts";
import { poolCharts } from "./charts/pool-charts.ts";
import { svgFile } from "./charts/svg-file.ts";

const root = join(import.meta.dirname, "..");
const { values } = parseArgs({
  options: { traces: { type: "string", default: join(root, "../shared/traces") } },
});
const [devices, pools] = ["genai.devices.csv.gz", "earth.pools.csv.gz"].map((name) =>
  resolve(values.traces, name),
) as [string, string];
const missing = [devices, pools].filter((path) => !existsSync(path));
if (missing.length > 0) {
  console.error(`There is no ${missing.join(", nor ")}: name the traces' folder with --traces DIR.`);
  process.exit(1);
}

const folder = join(root, "docs/charts");
mkdirSync(folder, { recursive: true });
for (const [name, chart] of Object.entries({
  ...(await deviceCharts(devices)),
  ...(await poolCharts(pools)),
}))
  writeFileSync(join(folder, `${name}.svg`), svgFile(chart));
