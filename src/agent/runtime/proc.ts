import { readdirSync, readFileSync } from "node:fs";

/** What /proc says of one process. */
export interface ProcessEntry {
  readonly pid: number;
  /** One letter of proc(5): R, S, D, T (stopped), Z (zombie)… */
  readonly state: string;
  readonly processGroup: number;
  readonly session: number;
}

/** null: it ended. */
export function processEntry(pid: number): ProcessEntry | null {
  const stat = readIfAlive(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The command may hold spaces and parentheses; the fields follow the last one.
  const [state = "", , processGroup, session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { pid, state, processGroup: Number(processGroup), session: Number(session) };
}

export function allProcesses(): ProcessEntry[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processEntry(Number(name)))
    .filter((entry) => entry !== null);
}

/** A variable of the environment that the program was started with; null where it has none or is another user's. */
export function startedWith(pid: number, variable: string): string | null {
  const entries = readIfAlive(`/proc/${pid}/environ`)?.split("\0") ?? [];
  return entries.find((entry) => entry.startsWith(`${variable}=`))?.slice(variable.length + 1) ?? null;
}

function readIfAlive(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM") return null;
    throw thrown;
  }
}
