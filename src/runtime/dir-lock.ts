import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { GleanerError } from "../errors/gleaner-error.ts";

/** Held by the kernel for as long as the process lives, however it ends: no lock is ever left behind. */
export interface DirLock {
  release(): Promise<void>;
}

/** Two agents in one directory would each kill the other's guests. Throws AGENT_DIR_IN_USE. */
export async function lockDir(dataDir: string): Promise<DirLock> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new GleanerError("AGENT_DIR_IN_USE", { path: dataDir }, { cause })),
    );
    // The leading zero byte makes it a name of Linux's abstract sockets, which are no files.
    server.listen(`\0gleaner-agent-${shortHash(realpathSync(dataDir))}`, resolve);
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
