import { fstatSync, type Stats } from "node:fs";
import { stat } from "node:fs/promises";
import type { Writable } from "node:stream";
import { realPathOf } from "./real-path.ts";

/** What a path that is written to leads to. */
export type Output =
  /** There or not; `mode`: the permissions of one that is there. */
  | { readonly kind: "file"; readonly path: string; readonly mode: number | null }
  /** One of this process's own streams, as /dev/stdout is. Opened anew it would be written over from its beginning. */
  | { readonly kind: "stream"; readonly stream: Writable }
  /** A device or a pipe. */
  | { readonly kind: "special" };

/** Throws what the system says of a path that leads nowhere. */
export async function outputAt(path: string): Promise<Output> {
  const found = await ifThere(path);
  if (found === null) return { kind: "file", path: await realPathOf(path), mode: null };
  if (isSame(found, fstatSync(1))) return { kind: "stream", stream: process.stdout };
  if (isSame(found, fstatSync(2))) return { kind: "stream", stream: process.stderr };
  if (!found.isFile() && !found.isDirectory()) return { kind: "special" };
  return { kind: "file", path: await realPathOf(path), mode: found.mode & 0o777 };
}

async function ifThere(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}

function isSame(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}
