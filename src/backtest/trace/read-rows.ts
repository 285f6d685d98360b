import { GleanerError } from "../../errors/gleaner-error.ts";
import { readCsvLines, traceInvalid } from "../../telemetry/csv-lines.ts";

/** What the lines of a trace hold. */
export interface TraceColumns {
  /** By which they are in order. */
  readonly time: "time_s" | "submit_s";
  /** Columns of names. The first says of whom the line speaks; there may be none where lines repeat. */
  readonly names: readonly string[];
  /** Whether it may speak of the same one again at the same time. */
  readonly repeats: boolean;
  readonly numbers: readonly NumberColumn[];
}

interface NumberColumn {
  readonly name: string;
  readonly most: number;
  /** Counts of what cannot be parted, from 1 on. */
  readonly whole?: boolean;
  /** What an empty field is: NaN for a missing reading, which is never idleness; null: refused. */
  readonly empty: number | null;
  /** The trace may lack the column; its fields are then as if empty. */
  readonly optional?: boolean;
}

/** One line; in the order of `TraceColumns`. Both arrays are used again for the next line. */
export interface TraceRow {
  timeS: number;
  readonly names: string[];
  readonly numbers: number[];
}

const keysMax = 100_000;
/** In columns they take up to 0.6 GB. */
const rowsMax = 20_000_000;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,126}$/;
const numberPattern = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/**
 * The lines of a trace up to a time, as a stream. Its columns may stand in any order. Nothing is guessed and nothing left out: the first line that
 * is wrong ends it with TRACE_INVALID, which names the line; FILE_UNREADABLE or FILE_DAMAGED where the bytes cannot be had.
 */
export async function* readTraceRows(
  path: string,
  columns: TraceColumns,
  untilS: number,
): AsyncGenerator<TraceRow> {
  const tooLarge = (what: string) => new GleanerError("TRACE_TOO_LARGE", { path, what });
  const lastS = new Map<string, number>();
  const row: TraceRow = { timeS: 0, names: [], numbers: [] };
  let before = -1;
  let rows = 0;
  let width = 0;
  let places: readonly number[] | null = null;
  for await (const [fields, line] of readCsvLines(path)) {
    const refuse = (problem: string) => traceInvalid(path, line, problem);
    if (places === null) {
      width = fields.length;
      places = placesOf(columns, fields, refuse);
      continue;
    }
    const time = fields[places[0]!] ?? "";
    const timeS = toNumber(time, Number.MAX_SAFE_INTEGER);
    if (timeS > untilS) break;
    if (fields.length !== width) throw refuse(`${fields.length} fields instead of ${width}`);
    if (Number.isNaN(timeS))
      throw refuse(`${columns.time} is ${JSON.stringify(time)}; it must be a number from 0 on`);
    if (timeS < before)
      throw refuse(`${columns.time} goes back from ${before} to ${timeS}; sort the file by time`);
    const problem = fillRow(row, columns, places, fields);
    if (problem !== null) throw refuse(problem);
    row.timeS = timeS;
    const key = row.names[0] ?? "";
    if (!columns.repeats && lastS.get(key) === timeS)
      throw refuse(`a second line of ${columns.names[0]!} ${key} at ${timeS} s`);
    lastS.set(key, timeS);
    if (lastS.size > keysMax) throw tooLarge(`${keysMax} ${columns.names[0]!}s`);
    if (++rows > rowsMax) throw tooLarge(`${rowsMax} lines`);
    before = timeS;
    yield row;
  }
  if (before < 0)
    throw traceInvalid(
      path,
      2,
      untilS === Infinity ? "no line of data" : `no line of data up to ${untilS} s`,
    );
}

/** Where in a line each column stands: the time, the names, the numbers; -1 for one that the trace lacks. */
function placesOf(
  { time, names, numbers }: TraceColumns,
  header: readonly string[],
  refuse: (problem: string) => GleanerError,
): readonly number[] {
  const known = [time, ...names, ...numbers.map(({ name }) => name)];
  const optional = new Set(numbers.flatMap(({ name, optional }) => (optional === true ? [name] : [])));
  const said = JSON.stringify(header.join().slice(0, 100));
  const strange = header.find((name) => !known.includes(name));
  if (strange !== undefined)
    throw refuse(`the header is ${said}; ${JSON.stringify(strange)} is no column of it`);
  const doubled = header.find((name, place) => header.indexOf(name) !== place);
  if (doubled !== undefined) throw refuse(`the header is ${said}; the column ${doubled} is there twice`);
  const lacking = known.find((name) => !header.includes(name) && !optional.has(name));
  if (lacking !== undefined) throw refuse(`the header is ${said}; the column ${lacking} is missing`);
  return known.map((name) => header.indexOf(name));
}

/** Fills names and numbers in; answers with what is wrong with the line. */
function fillRow(
  row: TraceRow,
  { names, numbers }: TraceColumns,
  places: readonly number[],
  fields: readonly string[],
): string | null {
  let nth = 1;
  for (const column of names) {
    const name = fields[places[nth]!]!;
    if (!namePattern.test(name))
      return `${column} is ${JSON.stringify(name)}; a name is letters, digits and ._:/-`;
    row.names[nth++ - 1] = name;
  }
  for (const { name, most, empty, whole = false } of numbers) {
    const text = fields[places[nth]!] ?? "";
    const value = text === "" && empty !== null ? empty : toNumber(text, most);
    const wrong = Number.isNaN(value) || (whole && !(Number.isInteger(value) && value >= 1));
    if (wrong && (text !== "" || empty === null)) {
      const wanted = whole ? `a whole number from 1 to ${most}` : `a number from 0 to ${most}`;
      return `${name} is ${JSON.stringify(text)}; it must be ${wanted}${empty === null ? "" : ", or empty"}`;
    }
    row.numbers[nth++ - 1 - names.length] = value;
  }
  return null;
}

/** NaN for what is no number from 0 to `most`. */
function toNumber(text: string, most: number): number {
  const value = numberPattern.test(text) ? Number(text) : NaN;
  return value >= 0 && value <= most ? value : NaN;
}
