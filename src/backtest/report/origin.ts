import { publicUrl } from "../sources/prometheus-api.ts";

/** Where a report comes from. */
export interface Origin {
  /** File or server. */
  readonly source: string;
  /** The command line that makes it again. */
  readonly command: string;
  /** null: a file, which holds one time only. */
  readonly history: ReadHistory | null;
}

/** What was read of a server: wall clock, the end itself is not in it. */
export interface ReadHistory {
  readonly sinceMs: number;
  readonly untilMs: number;
  /** The file in which it was kept. */
  readonly kept: string | null;
}

/** `words` stood after `gleaner`. A report is passed on: of URLs there is what may be shown. */
export function originFrom(
  source: string,
  words: readonly string[],
  history: ReadHistory | null = null,
): Origin {
  return {
    source: anonymous(source),
    command: ["gleaner", ...words].map((word) => quoted(anonymous(word))).join(" "),
    history,
  };
}

/** What makes the report again: a server is asked for another time by the same words, and forgets. */
export function repetition({ history }: Origin): string {
  if (history === null) return "The same command, on the same trace, writes the same report.";
  const { sinceMs, untilMs, kept } = history;
  return kept === null
    ? `With --since ${isoOf(sinceMs)} --until ${isoOf(untilMs)} the command reads the same time again, as far as the server still has it.`
    : `With --trace ${quoted(kept)} instead of --prometheus the command reads the same again, which was kept there.`;
}

/** In UTC; null for a file, which does not tell. */
export function timeRead({ history }: Origin): string | null {
  return history === null
    ? null
    : `Recorded from ${isoOf(history.sinceMs)} to ${isoOf(history.untilMs)} (UTC); times count from the first.`;
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

function anonymous(text: string): string {
  return text.replace(/https?:\/\/.*/s, (url) => (URL.canParse(url) ? publicUrl(url) : url));
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
