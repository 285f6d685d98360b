import Table from "cli-table3";
import pc from "picocolors";
import { meets, type Bench, type BenchResult, type Target } from "./bench.ts";

/** The figures with their targets beside them. */
export function renderTable(bench: Bench, result: BenchResult): string {
  const table = new Table({ head: ["metric", "figure", "target", ""], style: { head: [], border: [] } });
  for (const [metric, figure] of Object.entries(result.metrics)) {
    const target = bench.targets[metric];
    table.push([
      metric,
      formatFigure(figure),
      target === undefined ? "" : formatTarget(target),
      mark(target, figure),
    ]);
  }
  const params = Object.entries(result.params).map(([name, value]) => `${name}=${value}`);
  return `${bench.name}: ${bench.summary}\n${params.join(" ")}\n${table.toString()}`;
}

function formatFigure(figure: number): string {
  return Number(figure.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 });
}

function formatTarget(target: Target): string {
  return "max" in target ? `≤ ${target.max}` : `≥ ${target.min}`;
}

function mark(target: Target | undefined, figure: number): string {
  if (target === undefined) return "";
  return meets(target, figure) ? pc.green("✓ pass") : pc.red("✗ fail");
}
