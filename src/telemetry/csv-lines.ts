import { open, type FileHandle } from "node:fs/promises";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { CsvError, parse } from "csv-parse";
import { GleanerError } from "../errors/gleaner-error.ts";

const lineBytesMax = 1_024;
const gzipMagic = Buffer.of(0x1f, 0x8b);

/**
 * The lines of a CSV file, gzip (by content) or plain, the header first, each with its number; empty ones are left out. A stream
 * in bounded memory, read once, so that it may be a pipe. Throws TRACE_INVALID for lines beyond 1 KiB and for an empty file, FILE_DAMAGED for gzip that
 * is torn, FILE_UNREADABLE where the bytes cannot be had.
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
    const [bytes, zipped] = await openBytes(path);
    const unzip = zipped ? [createGunzip()] : [];
    // What goes wrong on the way ends the parser, and so the loop below, with its error.
    pipeline([bytes, ...unzip, parser], () => {});
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
    const { code = "", message: problem } = thrown as NodeJS.ErrnoException;
    const unread = code.startsWith("Z_") ? "FILE_DAMAGED" : "FILE_UNREADABLE";
    throw new GleanerError(unread, { path, problem }, { cause: thrown });
  }
  if (line === 0) throw traceInvalid(path, 1, "the file is empty");
}

/** All bytes of a file, and whether they are gzip. */
async function openBytes(path: string): Promise<[bytes: Readable, zipped: boolean]> {
  const file = await open(path);
  try {
    const head = await readHead(file);
    const bytes = file.createReadStream();
    // A pipe cannot be wound back.
    bytes.unshift(head);
    return [bytes, head.equals(gzipMagic)];
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

/** The first bytes, as many as gzip is known by. A pipe may hand them over one by one. */
async function readHead(file: FileHandle): Promise<Buffer> {
  const head = Buffer.alloc(gzipMagic.length);
  let length = 0;
  while (length < head.length) {
    const { bytesRead } = await file.read(head, length, head.length - length, null);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return head.subarray(0, length);
}

export function traceInvalid(path: string, line: number, problem: string, cause?: unknown): GleanerError {
  return new GleanerError("TRACE_INVALID", { path, line, problem }, { cause });
}
