import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  watch,
} from "node:fs";
import { join } from "node:path";

/** What a bench sees of one `examples/tick.mjs`, from outside: its file, its process, its cgroup. */
export class TickGuest {
  readonly path: string;
  #pid = 0;

  constructor(path: string) {
    this.path = path;
  }

  get pid(): number {
    return (this.#pid ||= pidOf(this.path));
  }

  get hasStarted(): boolean {
    return existsSync(this.path) && this.lastEvent() !== null;
  }

  /** Puts it to sleep or wakes it. */
  toggle(): void {
    process.kill(this.pid, "SIGUSR2");
  }

  /** The newest whole line of its file. */
  lastEvent(name?: string): { readonly atNs: bigint; readonly event: string } | null {
    const lines = tail(this.path).split("\n").slice(0, -1);
    const line = lines.findLast((text) => name === undefined || text.endsWith(` ${name}`));
    if (line === undefined) return null;
    const [ns = "0", event = ""] = line.split(" ");
    return { atNs: BigInt(ns), event };
  }

  /** Resolves at the moment that the kernel says the guest's cgroup is frozen; the time is on the guest's clock. */
  frozen(signal: AbortSignal): Promise<bigint> {
    const events = frozenFile(this.pid);
    return new Promise((resolve) => {
      const look = () => {
        if (!isFrozen(events)) return;
        const atNs = process.hrtime.bigint();
        watcher.close();
        resolve(atNs);
      };
      const watcher = watch(events, look);
      signal.addEventListener("abort", () => watcher.close(), { once: true });
      look();
    });
  }
}

function tail(path: string): string {
  const file = openSync(path, "r");
  const { size } = fstatSync(file);
  const bytes = Buffer.alloc(Math.min(size, 4_096));
  readSync(file, bytes, 0, bytes.length, Math.max(0, size - bytes.length));
  closeSync(file);
  return bytes.toString();
}

function pidOf(path: string): number {
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const args = readIfThere(`/proc/${pid}/cmdline`).split("\0");
    if (args.includes(path) && /\bnode\b/.test(args[0] ?? "")) return Number(pid);
  }
  throw new Error(`no process writes ${path}`);
}

/** `cgroup.events` on cgroup v2. On v1 there is no event to wait for, so the bench needs v2. */
function frozenFile(pid: number): string {
  const path = readFileSync(`/proc/${pid}/cgroup`, "utf8").match(/^0::(.*)$/m)?.[1] ?? "/";
  const mount = readFileSync("/proc/mounts", "utf8").match(/^\S+ (\S+) cgroup2 /m)?.[1];
  if (mount === undefined || path === "/")
    throw new Error("this bench needs cgroup v2 and a guest in a cgroup of its own");
  return join(mount, path, "cgroup.events");
}

function isFrozen(events: string): boolean {
  return /^frozen 1$/m.test(readIfThere(events));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it has ended meanwhile
  }
}
