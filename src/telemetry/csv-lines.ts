import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { CsvError, parse } from "csv-parse";
import { GleanerError } from "../errors/gleaner-error.ts";

const lineBytesMax = 1_024;

/**
 * The lines of a CSV file, gzip (by content) or plain, the header first, each with its number; empty ones are left out. A stream
 * in bounded memory. Throws TRACE_INVALID for lines beyond 1 KiB and for an empty file, FILE_UNREADABLE where the bytes cannot be had.
 */
export async function* readCsvLines(path: string): AsyncGenerator<[fields: readonly string[], line: number]> {
  const parser = parse({
    info: true,
    quote: null,
    bom: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: lineBytesMax,
  });
  let line = 0;
  try {
    const unzip = (await isGzip(path)) ? [createGunzip()] : [];
    // What goes wrong on the way ends the parser, and so the loop below, with its error.
    pipeline([createReadStream(path), ...unzip, parser], () => {});
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[];
      info: { lines: number };
    }>) {
      line = info.lines;
      yield [record, line];
    }
  } catch (thrown) {
    if (thrown instanceof GleanerError) throw thrown;
    if (thrown instanceof CsvError)
      throw traceInvalid(path, Number(thrown["lines"] ?? line + 1), thrown.message, thrown);
    throw new GleanerError(
      "FILE_UNREADABLE",
      { path, problem: (thrown as Error).message },
      { cause: thrown },
    );
  }
  if (line === 0) throw traceInvalid(path, 1, "the file is empty");
}

async function isGzip(path: string): Promise<boolean> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(2), length: 2, position: 0 });
  return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
}

export function traceInvalid(path: string, line: number, problem: string, cause?: unknown): GleanerError {
  return new GleanerError("TRACE_INVALID", { path, line, problem }, { cause });
}
