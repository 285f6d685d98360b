/** One line of Prometheus' text exposition. */
export interface MetricLine {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** NaN where the exporter says NaN. */
  readonly value: number;
  /** Wall clock of the exporter; null: not given, as usual. */
  readonly timestampMs: number | null;
}

// Each of these takes time linear in the line, whatever an exporter sends.
const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:[ \t]*\{(.*)\})?[ \t]+(\S+)(?:[ \t]+([+-]?\d+))?[ \t]*$/;
const label = /[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)/y;
const number = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|Inf|NaN)$/i;

/**
 * Reads the lines of the wanted metrics. A line that is broken is counted and left out, and so is a last line without its end: a part
 * of a number is another number.
 */
export function parsePrometheusText(
  text: string,
  wanted: ReadonlySet<string>,
): { lines: MetricLine[]; brokenLines: number } {
  const lines: MetricLine[] = [];
  let brokenLines = 0;
  const end = text.lastIndexOf("\n");
  if (text.slice(end + 1).trim() !== "") brokenLines += 1;
  for (const raw of text.slice(0, Math.max(0, end)).split("\n")) {
    const name = /^[a-zA-Z0-9_:]*/.exec(raw)![0];
    if (!wanted.has(name)) continue;
    const parsed = parseLine(raw.replace(/\r$/, ""));
    if (parsed === null) brokenLines += 1;
    else lines.push(parsed);
  }
  return { lines, brokenLines };
}

function parseLine(raw: string): MetricLine | null {
  const match = line.exec(raw);
  if (match === null) return null;
  const [, name = "", inBraces = "", value = "", timestamp] = match;
  const labels = parseLabels(inBraces);
  if (labels === null || !number.test(value)) return null;
  return {
    name,
    labels,
    value: toNumber(value),
    timestampMs: timestamp === undefined ? null : Number(timestamp),
  };
}

function toNumber(text: string): number {
  const infinite = /^([+-]?)inf$/i.exec(text);
  return infinite === null ? Number(text) : infinite[1] === "-" ? -Infinity : Infinity;
}

function parseLabels(text: string): Map<string, string> | null {
  const labels = new Map<string, string>();
  label.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    const match = label.exec(text);
    if (match === null) return text.slice(at).trim() === "" ? labels : null;
    labels.set(
      match[1]!,
      match[2]!.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped)),
    );
    at = label.lastIndex;
  }
  return labels;
}
