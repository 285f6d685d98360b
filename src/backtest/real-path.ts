import { readlink, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

/** Where a path leads, links followed; the file itself need not be there. Throws what the system says of its directory. */
export async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (thrown) {
    const namesFile = path !== "" && !path.endsWith("/");
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT" || !namesFile) throw thrown;
  }
  const dir = await realpath(dirname(resolve(path)));
  const at = join(dir, basename(path));
  const link = await readlink(at).catch(() => null);
  return link === null ? at : realPathOf(resolve(dir, link));
}
