// A guest that tells what happens to it in a file that many append to: the truth about what ran, outside of Gleaner.
//   oracle-guest.ts FILE TICKS TICK_MS
// It goes on from its checkpoint, which it writes after every tick.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface OracleLine {
  readonly guest: string;
  readonly attempt: number;
  readonly device: string;
  readonly what: "start" | "tick" | "end";
  readonly tick: number;
  readonly atMs: number;
}

const [file = "", ticks, tickMs] = process.argv.slice(2);
const { env } = process;
const checkpoint = join(env["GLEANER_CHECKPOINT_DIR"] ?? "", "tick");

function tell(what: OracleLine["what"], tick: number): void {
  const line: OracleLine = {
    guest: env["GLEANER_JOB_ID"] ?? "",
    attempt: Number(env["GLEANER_ATTEMPT"]),
    device: env["CUDA_VISIBLE_DEVICES"] ?? "",
    what,
    tick,
    atMs: Date.now(),
  };
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

const asked = new AbortController();
process.once("SIGTERM", () => asked.abort());
let tick = existsSync(checkpoint) ? Number(readFileSync(checkpoint, "utf8")) : 0;
tell("start", tick);
while (tick < Number(ticks) && !asked.signal.aborted) {
  await sleep(Number(tickMs));
  tick += 1;
  tell("tick", tick);
  writeFileSync(checkpoint, String(tick));
}
if (tick < Number(ticks)) process.exit(85);
tell("end", tick);
