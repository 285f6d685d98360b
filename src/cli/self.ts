import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

/** The command line that runs this program with other words. */
export function gleaner(words: readonly string[]): [file: string, ...args: string[]] {
  return [process.execPath, ...process.execArgv, main, ...words];
}
