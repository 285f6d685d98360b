import type { Colors } from "./cli.ts";

/** Columns padded to their widest cell, two spaces apart, as the shell's own tools print them. */
export function table(paint: Colors, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => visible(row[column] ?? ""))),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell + " ".repeat(widths[column]! - visible(cell)))
      .join("  ")
      .trimEnd();
  return [paint.dim(line(head)), ...rows.map(line)].join("\n");
}

/** Cut to a width, with a mark that something is missing. */
export function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** `1 guest`, `3 guests`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Without the escape sequences of colours. */
function visible(cell: string): number {
  // oxlint-disable-next-line no-control-regex
  return cell.replaceAll(/\u001B\[\d+m/g, "").length;
}
