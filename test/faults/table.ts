import { quantile } from "../../bench/harness/statistics.ts";
import type { Cell, RecallResult, RowResult } from "./play.ts";
import { leaseStates } from "./round.ts";
import type { Violation } from "./verdict.ts";

/** A guest that has its notice takes its own time to leave: what the owner waits for then is not ours. */
const isUnderNotice = ({ state }: RecallResult) => state === "vacating" || state === "handing back";

/** What owners waited, from the first call to frozen or released. */
const waits: Readonly<Record<string, { share: number; of: (recall: RecallResult) => boolean }>> = {
  "wait p50": { share: 0.5, of: (recall) => !isUnderNotice(recall) },
  p99: { share: 0.99, of: (recall) => !isUnderNotice(recall) },
  "agent first p99": { share: 0.99, of: (recall) => !isUnderNotice(recall) && recall.path === "agent" },
  "controller first p99": {
    share: 0.99,
    of: (recall) => !isUnderNotice(recall) && recall.path === "controller",
  },
  "under notice p99": { share: 0.99, of: isUnderNotice },
};

/** As Markdown: it goes into docs/faults.md as it is. What was violated is listed below. */
export function renderMatrix(results: readonly RowResult[], tookMs: number): string {
  const head = ["fault", ...leaseStates, "lost", "doubled", "books", ...Object.keys(waits), "restarts"];
  const lines = [head, head.map(() => "---"), ...results.map(line)].map(
    (cells) => `| ${cells.join(" | ")} |`,
  );
  const plays = results
    .flatMap(({ cells }) => Object.values(cells))
    .reduce((sum, cell) => sum + cell.plays, 0);
  const found = results.flatMap(wrongs);
  const summary = `${plays} guests through ${results.length} faults in ${(tookMs / 1_000).toFixed(0)} s: ${found.length} violations`;
  return `${[...lines, "", summary, ...found].join("\n")}\n`;
}

function line({ row, skipped, cells, violations, recalls, restarts }: RowResult): string[] {
  if (skipped !== null) return [row, ...leaseStates.map(() => "–"), `skipped: ${skipped}`];
  const all = [...violations, ...Object.values(cells).flatMap((cell) => cell.violations)];
  const isJudged = Object.values(cells).some(({ plays }) => plays > 0);
  const count = (kind: Violation["kind"]) =>
    isJudged ? String(all.filter((each) => each.kind === kind).length) : "–";
  return [
    row,
    ...leaseStates.map((state) => cellText(cells[state])),
    count("lost"),
    count("doubled"),
    { "0": "exact", "–": "–" }[count("books")] ?? "wrong",
    ...Object.values(waits).map(({ share, of }) => quantileMs(recalls.filter(of), share)),
    String(restarts),
  ];
}

function quantileMs(recalls: readonly RecallResult[], share: number): string {
  const waitsMs = recalls.map(({ waitMs }) => waitMs);
  return waitsMs.length === 0 ? "–" : `${quantile(waitsMs, share).toFixed(0)} ms`;
}

function cellText({ plays, violations }: Cell): string {
  if (violations.length === 0) return plays === 0 ? "–" : `✓ ${plays}`;
  return `✗ ${[...new Set(violations.map(({ kind }) => kind))].join(", ")}`;
}

/** One line each, and where the logs are. */
export function wrongs({ row, cells, violations, keptDir }: RowResult): string[] {
  const told = [
    ...violations.map((violation) => ({ where: "", violation })),
    ...leaseStates.flatMap((state) =>
      cells[state].violations.map((violation) => ({ where: state, violation })),
    ),
  ];
  const lines = told.map(
    ({ where, violation }) => `✗ ${row} / ${where}: ${violation.kind}: ${violation.detail}`,
  );
  return keptDir === null ? lines : [...lines, `  logs of ${row}: ${keptDir}`];
}
