import { publicUrl } from "../sources/prometheus-api.ts";

/** Where a report comes from. */
export interface Origin {
  /** File or server. */
  readonly source: string;
  /** The command line that makes it again. */
  readonly command: string;
}

/** `words` stood after `gleaner`. A report is passed on: of URLs there is what may be shown. */
export function originFrom(source: string, words: readonly string[]): Origin {
  return {
    source: anonymous(source),
    command: ["gleaner", ...words].map((word) => quoted(anonymous(word))).join(" "),
  };
}

function anonymous(text: string): string {
  return text.replace(/https?:\/\/.*/s, (url) => (URL.canParse(url) ? publicUrl(url) : url));
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
