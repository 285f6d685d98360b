#!/usr/bin/env node
// Writes the monotonic clock to a file every millisecond, so that a bench sees to the millisecond when a guest ran and when it did
// not. A line is `NANOSECONDS EVENT`, by process.hrtime, which all processes of a host share. Events: start, tick, asleep, awake, sigterm,
// checkpointed. SIGUSR2 puts it to sleep or wakes it; SIGTERM ends it with exit 85.
//
//   tick.mjs FILE [--asleep] [--checkpoint-mb N]      N MB go to GLEANER_CHECKPOINT_DIR before it leaves

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { asleep: { type: "boolean", default: false }, "checkpoint-mb": { type: "string", default: "0" } },
});
const checkpointMb = Number(flags["checkpoint-mb"]);
const [path] = positionals;
if (path === undefined || !(checkpointMb >= 0)) {
  console.error("usage: tick.mjs FILE [--asleep] [--checkpoint-mb N]");
  process.exit(1);
}

const file = openSync(path, "a");
const write = (event) => writeSync(file, `${process.hrtime.bigint()} ${event}\n`);
// Keeps the process alive while nothing ticks.
setInterval(() => {}, 2 ** 30);
let ticking;

write("start");
if (!flags.asleep) ticking = setInterval(write, 1, "tick");

process.on("SIGUSR2", () => {
  write(ticking === undefined ? "awake" : "asleep");
  clearInterval(ticking);
  ticking = ticking === undefined ? setInterval(write, 1, "tick") : undefined;
});

process.once("SIGTERM", () => {
  write("sigterm");
  if (checkpointMb > 0) checkpoint(join(process.env.GLEANER_CHECKPOINT_DIR ?? ".", "tick.bin"));
  write("checkpointed");
  process.exit(85);
});

function checkpoint(target) {
  const block = Buffer.alloc(1_000_000, 1);
  const aside = openSync(`${target}.tmp`, "w");
  for (let written = 0; written < checkpointMb; written++) writeSync(aside, block);
  fsyncSync(aside);
  closeSync(aside);
  renameSync(`${target}.tmp`, target);
}
