import { GleanerError } from "../errors/gleaner-error.ts";

/** What the system refuses while a file is written becomes FILE_UNWRITABLE. */
export async function writing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (thrown instanceof GleanerError || code === undefined) throw thrown;
    throw new GleanerError("FILE_UNWRITABLE", { path, problem: withoutCall(message) }, { cause: thrown });
  }
}

/** Node adds `, open 'PATH'`: the path may be one of our own making, and the call helps nobody. */
function withoutCall(message: string): string {
  return message.replace(/, \w+( '.*')?$/s, "");
}
