import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { seeded } from "../src/backtest/seeded.ts";
import { randomInstance, tangledInstance, type Instance } from "../test/support/victims/instances.ts";
import { readFleetTraces, traceFiles, traceInstance } from "../test/support/victims/trace-instances.ts";
import type { Bench } from "./harness/bench.ts";
import { grade, gradeGreedy } from "./victims/grade.ts";
import { timeRecalls } from "./victims/recall-time.ts";

const families = ["random", "trace", "traceSeveralHosts"];

export default {
  name: "victims",
  summary:
    "whom a recall of part of a pool ends: cost over the exact least, peers' rules beside it, and time",
  targets: Object.fromEntries(families.map((family) => [`${family} costOverExactMean`, { max: 1.02 }])),
  options: {
    instances: { value: 1_000, help: "instances of each kind" },
    leases: { value: 10_000, help: "live leases of the pool whose recalls are timed" },
    rounds: { value: 30, help: "recalls of each size that are timed" },
    seed: { value: 1, help: "of the instances" },
  },
  paths: {
    traces: {
      value: join(import.meta.dirname, "../../shared/traces"),
      help: "folder of the traces; without it only random instances are graded",
    },
  },
  async run({ instances = 0, leases = 0, rounds = 0, seed = 1 }, { traces = "" }) {
    const random = seeded(seed);
    const make = function* (one: () => Instance) {
      for (let i = 0; i < instances; i++) yield one();
    };
    const metrics = grade(
      "random",
      make(() => randomInstance(random)),
    );
    const tangles = Array.from({ length: Math.ceil(instances / 5) }, (_, i) => tangledInstance(seeded(i)));
    Object.assign(metrics, gradeGreedy(tangles));
    const missing = traceFiles.find((name) => !existsSync(join(traces, name)));
    if (missing === undefined) {
      const fleet = await readFleetTraces(traces);
      Object.assign(
        metrics,
        grade(
          "trace",
          make(() => traceInstance(fleet, random)),
        ),
        grade(
          "traceSeveralHosts",
          make(() => traceInstance(fleet, random, 16)),
        ),
      );
    } else process.stderr.write(`SKIPPED: there is no ${join(resolve(traces), missing)}\n`);
    Object.assign(metrics, timeRecalls(leases, rounds, random));
    return { params: { instances, leases, rounds, seed, traces: resolve(traces) }, metrics };
  },
} satisfies Bench;
