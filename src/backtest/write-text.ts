import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { access, chmod, constants, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { outputAt, type Output } from "./output.ts";
import { writing } from "./writing.ts";

type OutputFile = Extract<Output, { kind: "file" }>;

/**
 * Writes a file anew, piece by piece: beside it at first, so that the old one stands until the new one is whole. What is no file, such as a
 * pipe, is written as it is. Throws FILE_UNWRITABLE.
 */
export async function writeText(path: string, pieces: Iterable<string>): Promise<void> {
  await writing(path, async () => {
    const output = await outputAt(path);
    if (output.kind === "file") await replaceFile(output, pieces);
    else if (output.kind === "stream") await pipeline(pieces, output.stream, { end: false });
    else await pipeline(pieces, createWriteStream(path));
  });
}

/** Finds out before the work whether there is a place to write it to. Throws FILE_UNWRITABLE. */
export async function checkWritable(path: string): Promise<void> {
  await writing(path, async () => {
    const output = await outputAt(path);
    if (output.kind === "special") await access(path, constants.W_OK);
    if (output.kind === "file") await withPart(output, [], async () => {});
  });
}

async function replaceFile(output: OutputFile, pieces: Iterable<string>): Promise<void> {
  await withPart(output, pieces, async (part) => {
    if (output.mode !== null) await chmod(part, output.mode);
    await rename(part, output.path);
  });
}

/** A new file beside the output, whole and on the disk; it is gone afterwards unless it took the output's place. */
async function withPart(
  { path, mode }: OutputFile,
  pieces: Iterable<string>,
  work: (part: string) => Promise<void>,
): Promise<void> {
  // A file that may not be written to is not replaced either, and no directory is.
  if (mode !== null) await (await open(path, "r+")).close();
  const part = join(dirname(path), `.gleaner-${randomUUID()}.part`);
  // Opened here, so that it is there before anything fails: a stream that opens late would leave it behind.
  const file = await open(part, "wx", mode ?? 0o666);
  try {
    await pipeline(pieces, file.createWriteStream({ flush: true }));
    await work(part);
  } finally {
    await file.close();
    await rm(part, { force: true });
  }
}
