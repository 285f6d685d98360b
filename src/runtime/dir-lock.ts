import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { GleanerError } from "../errors/gleaner-error.ts";

/** Held by the kernel for as long as the process lives, however it ends: no lock is ever left behind. */
export interface DirLock {
  release(): Promise<void>;
}

const codes = { agent: "AGENT_DIR_IN_USE", controller: "CONTROLLER_DIR_IN_USE" } as const;

/**
 * Two agents in one directory would each kill the other's guests; two controllers would each take the lead as the other.
 * Throws AGENT_DIR_IN_USE, CONTROLLER_DIR_IN_USE.
 */
export async function lockDir(dataDir: string, whose: keyof typeof codes): Promise<DirLock> {
  return lockPath(realpathSync(dataDir), whose, (cause) => {
    return new GleanerError(codes[whose], { path: dataDir }, { cause });
  });
}

/** Of a path without links; it need not be there. Throws what `inUse` makes where another has it locked. */
export async function lockPath(
  path: string,
  whose: string,
  inUse: (cause: Error) => GleanerError,
): Promise<DirLock> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(inUse(cause)));
    // The leading zero byte makes it a name of Linux's abstract sockets, which are no files.
    server.listen(`\0gleaner-${whose}-${shortHash(path)}`, resolve);
  });
  server.unref();
  return { release: () => close(server) };
}

/** Tells agents of one host apart where their names are the same. */
export function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
