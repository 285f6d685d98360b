import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";

/** What a guest writes: its start, that it works, that it was asked to leave, its end. */
export interface OracleLine {
  readonly guest: string;
  readonly attempt: number;
  readonly device: string;
  readonly pid: number;
  readonly what: "start" | "tick" | "term" | "end";
  /** On CLOCK_MONOTONIC, as `nowMs` here. */
  readonly atMs: number;
}

/** How a guest takes its notice: leaves at once, checkpoints for a while, or stays until it is killed. */
export type Manners = "leaves" | "checkpoints" | "stays";

export const leaveMs: Readonly<Record<Manners, number>> = { leaves: 0, checkpoints: 1_000, stays: Infinity };
export const tickMs = 10;
/** From its start to its first tick. */
export const startMs = 200;

export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Follows the file that guests write. */
export class Oracle {
  readonly path: string;
  readonly lines: OracleLine[] = [];
  #offset = 0;
  #rest = "";

  constructor(path: string) {
    this.path = path;
  }

  /** Takes in what has been written since. */
  read(): readonly OracleLine[] {
    if (!existsSync(this.path)) return this.lines;
    const file = openSync(this.path, "r");
    const bytes = Buffer.alloc(1 << 20);
    for (let count = 0; (count = readSync(file, bytes, 0, bytes.length, this.#offset)) > 0;) {
      this.#offset += count;
      const whole = (this.#rest + bytes.toString("utf8", 0, count)).split("\n");
      this.#rest = whole.pop() ?? "";
      for (const line of whole) this.lines.push(JSON.parse(line) as OracleLine);
    }
    closeSync(file);
    return this.lines;
  }

  of(guest: string): OracleLine[] {
    return this.lines.filter((line) => line.guest === guest);
  }
}

interface Stretch {
  readonly name: string;
  readonly fromMs: number;
  toMs: number;
}

/** Attempts that were alive at the same time where only one may be: of one guest, or on one device. In words. */
export function doubled(lines: readonly OracleLine[]): string[] {
  return (["guest", "device"] as const).flatMap((key) =>
    [...Map.groupBy(lines, (line) => line[key]).values()].flatMap((group) => overlaps(stretches(group))),
  );
}

function stretches(lines: readonly OracleLine[]): Stretch[] {
  const found = new Map<string, Stretch>();
  for (const { guest, attempt, device, pid, atMs } of lines) {
    const name = `${guest}:${attempt} (pid ${pid}) on ${device}`;
    const known = found.get(name);
    if (known === undefined) found.set(name, { name, fromMs: atMs, toMs: atMs });
    else known.toMs = atMs;
  }
  return [...found.values()].toSorted((a, b) => a.fromMs - b.fromMs);
}

function overlaps(inOrder: readonly Stretch[]): string[] {
  return inOrder.slice(1).flatMap((next, index) => {
    const before = inOrder[index]!;
    return next.fromMs < before.toMs
      ? [`${next.name} ran ${(before.toMs - next.fromMs).toFixed(0)} ms beside ${before.name}`]
      : [];
  });
}

/** The processes of a guest that have not said that they end. */
export function pidsOf(lines: readonly OracleLine[]): number[] {
  const ended = new Set(lines.filter(({ what }) => what === "end").map(({ pid }) => pid));
  return [...new Set(lines.map(({ pid }) => pid))].filter((pid) => !ended.has(pid));
}

/** The text of a file, or nothing where it is not there. */
export function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
