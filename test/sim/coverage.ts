import type { Fault } from "./faults.ts";

/** What a lease was doing when a fault struck; `none`: nothing was lent where it struck. */
export const leaseStates = [
  "none",
  "starting",
  "running",
  "paused",
  "vacating",
  "killing",
  "quarantined",
] as const;

/** By fault and state: how often. Plain data, so that workers can hand it over. */
export type Coverage = Record<string, Record<string, number>>;

/** Faults that mean the same wherever they strike are one row. */
export function rowOf(fault: Fault, leader: string): string {
  const role = (name: string) =>
    name.startsWith("controller")
      ? name === leader
        ? "leader"
        : "standby"
      : name.replace(/-\d+$/, "").replace("host", "agent");
  switch (fault.kind) {
    case "kill":
    case "stop":
      return `${fault.kind} ${role(fault.process)}`;
    case "cut":
      return `cut ${role(fault.from)} > ${role(fault.to)}`;
    case "isolate":
      return "agent isolated";
    case "jump":
    case "drift":
      return `clock ${fault.kind} ${role(fault.host)}`;
    default:
      return fault.kind.replaceAll("_", " ");
  }
}

export function count(coverage: Coverage, row: string, states: readonly string[]): void {
  const cells = (coverage[row] ??= {});
  for (const state of states.length === 0 ? ["none"] : new Set(states))
    cells[state] = (cells[state] ?? 0) + 1;
}

export function add(to: Coverage, from: Coverage): void {
  for (const [row, cells] of Object.entries(from))
    for (const [state, times] of Object.entries(cells)) {
      const own = (to[row] ??= {});
      own[state] = (own[state] ?? 0) + times;
    }
}

export function coverageTable(coverage: Coverage): string {
  const rows = Object.keys(coverage).toSorted();
  const width = Math.max(...rows.map((row) => row.length), 5);
  const line = (head: string, cells: readonly (string | number)[]) =>
    `${head.padEnd(width)}${cells.map((cell) => String(cell).padStart(12)).join("")}`;
  return [
    line("fault", leaseStates),
    ...rows.map((row) =>
      line(
        row,
        leaseStates.map((state) => coverage[row]?.[state] ?? 0),
      ),
    ),
  ].join("\n");
}
