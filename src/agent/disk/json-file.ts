import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Disk } from "./disk.ts";

/** null: there is none. Throws AGENT_STATE_UNREADABLE for what is no JSON or not what `isValid` asks. */
export function readJson<T>(disk: Disk, file: string, isValid: (value: T) => boolean): T | null {
  const text = disk.read(file);
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as T;
    if (isValid(value)) return value;
  } catch (cause) {
    throw new GleanerError("AGENT_STATE_UNREADABLE", { path: file, problem: String(cause) }, { cause });
  }
  throw new GleanerError("AGENT_STATE_UNREADABLE", { path: file, problem: "it is not of this version" });
}
