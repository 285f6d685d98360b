// A guest that tells what happens to it in a file that many append to: the truth about what ran, outside of Gleaner.
//   guest.ts FILE MANNERS FINISH_FILE
// Ticks until FINISH_FILE is there, then ends. MANNERS: how it takes its notice, see `manners` in oracle.ts.
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { leaveMs, startMs, tickMs, type Manners, type OracleLine } from "./oracle.ts";

const [file = "", manners, finishFile = ""] = process.argv.slice(2);
const { env } = process;

function tell(what: OracleLine["what"]): void {
  const line: OracleLine = {
    guest: env["GLEANER_JOB_ID"] ?? "",
    attempt: Number(env["GLEANER_ATTEMPT"]),
    device: env["CUDA_VISIBLE_DEVICES"] ?? "",
    pid: process.pid,
    what,
    // CLOCK_MONOTONIC: one clock for every process of this machine.
    atMs: Number(process.hrtime.bigint()) / 1e6,
  };
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

const exitEvicted = 85;
process.on("SIGTERM", () => {
  tell("term");
  const stayMs = leaveMs[manners as Manners];
  if (stayMs === 0) process.exit(exitEvicted);
  if (stayMs < Infinity) setTimeout(() => process.exit(exitEvicted), stayMs);
});
tell("start");
await sleep(startMs);
while (!existsSync(finishFile)) {
  tell("tick");
  await sleep(tickMs);
}
tell("end");
process.exit(0);
