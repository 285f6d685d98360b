import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const prefix = "gleaner-demo-";

/** A directory for one demonstration. Those of earlier ones go, unless they were kept or still run. */
export function makeDemoDir(keep: boolean): string {
  for (const name of readdirSync(tmpdir())) {
    const dir = join(tmpdir(), name);
    if (name.startsWith(prefix) && isOver(dir)) rmSync(dir, { recursive: true, force: true });
  }
  const dir = mkdtempSync(join(tmpdir(), prefix));
  writeFileSync(join(dir, "demo.json"), JSON.stringify({ pid: process.pid, keep }));
  return dir;
}

function isOver(dir: string): boolean {
  try {
    const { pid, keep } = JSON.parse(readFileSync(join(dir, "demo.json"), "utf8")) as {
      pid: number;
      keep: boolean;
    };
    return !keep && !isAlive(pid);
  } catch {
    return false; // not ours, or just being made
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}
