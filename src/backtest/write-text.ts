import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { GleanerError } from "../errors/gleaner-error.ts";

/** Writes a file anew, piece by piece. Throws FILE_UNWRITABLE. */
export async function writeText(path: string, pieces: Iterable<string>): Promise<void> {
  try {
    await pipeline(pieces, createWriteStream(path));
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code === undefined) throw thrown;
    throw new GleanerError("FILE_UNWRITABLE", { path, problem: message }, { cause: thrown });
  }
}
