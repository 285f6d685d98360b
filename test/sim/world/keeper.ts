import type { Files } from "./disk.ts";
import type { Kernel } from "./guests.ts";
import type { Life } from "./process.ts";

const lookMs = 1_000;

/**
 * The keeper of one host, as src/keeper/keeper.sh is: it ends guests whose time is over where no agent does. That it starts
 * the agent again is left to the plan, which says when.
 */
export async function keep(life: Life, dir: string, files: Files, kernel: Kernel): Promise<never> {
  for (;;) {
    let nextMs = lookMs;
    for (const { killAtMs, group } of newestDuties(dir, files, life.host.bootId)) {
      const leftMs = killAtMs - life.host.sinceBootMs();
      if (leftMs <= 0) kernel.killGroup(group);
      else nextMs = Math.min(nextMs, leftMs);
    }
    // It counts in hundredths of a second.
    await life.clock.sleep(Math.ceil(nextMs / 10) * 10);
  }
}

/** Of the two files that the agent writes in turn, the newer one that is whole. */
function newestDuties(dir: string, files: Files, bootId: string): { killAtMs: number; group: string }[] {
  let newest = { sequence: -1, duties: [] as { killAtMs: number; group: string }[] };
  for (const slot of ["keeper.0", "keeper.1"]) {
    const lines = (files.read(`${dir}/${slot}`) ?? "").trimEnd().split("\n");
    const [word, sequence, , boot] = (lines[0] ?? "").split(" ");
    if (word !== "agent" || boot !== bootId || lines.at(-1) !== `end ${sequence}`) continue;
    const duties = lines.slice(1, -1).map((line) => {
      const [atCs, , group = ""] = line.split(" ");
      return { killAtMs: Number(atCs) * 10, group };
    });
    if (Number(sequence) > newest.sequence) newest = { sequence: Number(sequence), duties };
  }
  return newest.duties;
}
