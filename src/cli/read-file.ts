import { readFileSync } from "node:fs";
import { GleanerError } from "../errors/gleaner-error.ts";

const bytesMax = 32 * 1024 * 1024;

/** The text of a file, `-` for stdin. Throws FILE_UNREADABLE. */
export function readText(path: string): string {
  try {
    const text = readFileSync(path === "-" ? 0 : path, "utf8");
    if (text.length > bytesMax) throw new Error(`larger than ${bytesMax} bytes`);
    return text;
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    const problem = { ENOENT: "no such file", EACCES: "permission denied", EISDIR: "is a directory" }[
      code ?? ""
    ];
    throw new GleanerError("FILE_UNREADABLE", { path, problem: problem ?? message }, { cause: thrown });
  }
}
