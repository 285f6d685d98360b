import { outputAt } from "../backtest/output.ts";
import { recordPath } from "../backtest/sources/kept-history.ts";
import { checkWritable } from "../backtest/write-text.ts";
import { GleanerError } from "../errors/gleaner-error.ts";

interface FileOptions {
  readonly trace?: string;
  readonly guests?: string;
  readonly keep?: string;
  readonly decisions?: string;
  readonly html?: string;
}

interface NamedFile {
  readonly option: string;
  readonly path: string;
  readonly realPath: string;
}

/**
 * Refuses before anything is read what a backtest would write over what it reads, or twice to one file, and what cannot be written.
 * Throws COMMAND_INVALID, FILE_UNWRITABLE.
 */
export async function checkFiles({ trace, guests, keep, decisions, html }: FileOptions): Promise<void> {
  const inputs = await filesOf({ "--trace": trace, "--guests": guests });
  const record = keep === undefined ? undefined : recordPath(keep);
  const kept = await filesOf({ "--keep": keep, "the record of --keep,": record });
  const results = await filesOf({ "--decisions": decisions, "--html": html });
  const taken = new Map(inputs.map((file) => [file.realPath, file]));
  for (const file of [...kept, ...results]) {
    const other = taken.get(file.realPath);
    if (other !== undefined) throw sameFile(file, other);
    taken.set(file.realPath, file);
  }
  for (const path of [decisions, html]) if (path !== undefined) await checkWritable(path);
}

/** Without what is no file, such as /dev/null, and what leads nowhere: who reads or writes it says so. */
async function filesOf(paths: Readonly<Record<string, string | undefined>>): Promise<NamedFile[]> {
  const files: NamedFile[] = [];
  for (const [option, path] of Object.entries(paths)) {
    if (path === undefined) continue;
    const output = await outputAt(path).catch(() => null);
    if (output?.kind === "file") files.push({ option, path, realPath: output.path });
  }
  return files;
}

function sameFile(file: NamedFile, other: NamedFile): GleanerError {
  const problem = `${file.option} ${file.path} is the same file as ${other.option} ${other.path}: it would be written over`;
  return new GleanerError("COMMAND_INVALID", { problem, command: "backtest" });
}
