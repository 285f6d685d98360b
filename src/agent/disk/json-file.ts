import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { GleanerError } from "../../errors/gleaner-error.ts";

/** Replaces the file whole: after a crash of the agent it is the old one or the new one. Not yet safe from the host's crash. */
export function writeJson(file: string, value: unknown): void {
  const part = `${file}.part`;
  writeFileSync(part, JSON.stringify(value), { mode: 0o640 });
  renameSync(part, file);
}

/** As `writeJson`, and on disk when it resolves. Not to be mixed with it on one file while it runs. */
export async function writeJsonDurably(file: string, value: unknown): Promise<void> {
  const part = `${file}.durable`;
  const handle = await open(part, "w", 0o640);
  try {
    await handle.writeFile(JSON.stringify(value));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(part, file);
  const dir = await open(dirname(file), "r");
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}

/** null: there is none. Throws AGENT_STATE_UNREADABLE for what is no JSON or not what `isValid` asks. */
export function readJson<T>(file: string, isValid: (value: T) => boolean): T | null {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
  try {
    const value = JSON.parse(text) as T;
    if (isValid(value)) return value;
  } catch (cause) {
    throw new GleanerError("AGENT_STATE_UNREADABLE", { path: file, problem: String(cause) }, { cause });
  }
  throw new GleanerError("AGENT_STATE_UNREADABLE", { path: file, problem: "it is not of this version" });
}
