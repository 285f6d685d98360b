import { readdirSync, readFileSync } from "node:fs";

/** Command lines of the processes, other than this one, whose arguments or environment name the path; Linux only. */
export function processesNaming(path: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter(
    (name) => /^\d+$/.test(name) && Number(name) !== process.pid,
  )) {
    const words = readOrEmpty(`/proc/${pid}/cmdline`);
    // A process that has ended and waits for its parent has no command line any more.
    if (words !== "" && (words.includes(path) || readOrEmpty(`/proc/${pid}/environ`).includes(path)))
      found.push(`${pid}: ${words.replaceAll("\0", " ").trim()}`);
  }
  return found;
}

/** Processes come and go while we look, and those of others cannot be read. */
function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
