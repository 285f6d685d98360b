import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Bench } from "./harness/bench.ts";
import { calibration } from "./harvest/calibration.ts";
import { background } from "./harvest/background.ts";
import { command } from "./harvest/command.ts";
import { devices } from "./harvest/devices.ts";
import { earth } from "./harvest/earth.ts";
import type { Figures, Section } from "./harvest/figures.ts";
import { jobs } from "./harvest/jobs.ts";
import { poolScaling } from "./harvest/pool-scaling.ts";
import { scaling } from "./harvest/scaling.ts";
import { scenarios } from "./harvest/scenarios.ts";
import { spot } from "./harvest/spot.ts";

const sections: readonly Section[] = [
  devices,
  calibration,
  earth,
  spot,
  jobs,
  command("devices", "genai", "genai.devices.csv.gz", 10),
  command("pools", "earth", "earth.pools.csv.gz", 30),
  scaling,
  background,
  poolScaling,
  scenarios,
];

export default {
  name: "harvest",
  summary: "what the forecast gains on the development traces, and what it costs; minutes",
  targets: Object.assign({}, ...sections.map(({ targets }) => targets)),
  options: {},
  paths: {
    traces: {
      value: join(import.meta.dirname, "../../shared/traces"),
      help: "folder of the traces; what needs one that is not there is left out",
    },
  },
  async run(_options, { traces = "" }) {
    const metrics: Figures = {};
    for (const section of sections) {
      const path = section.trace === null ? "" : resolve(traces, section.trace);
      if (path === "" || existsSync(path)) Object.assign(metrics, await section.measure(path));
      else process.stderr.write(`SKIPPED: there is no ${path}\n`);
    }
    return { params: { traces: resolve(traces) }, metrics };
  },
} satisfies Bench;
