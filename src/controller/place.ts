import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lockDir } from "../runtime/dir-lock.ts";

/** Where a controller keeps its files, for itself alone. */
export interface Place {
  /** The same for whoever is started there again, and nobody else's. */
  readonly holder: string;
  release(): Promise<void>;
}

/** Throws CONTROLLER_DIR_IN_USE. */
export async function claimPlace(dataDir: string): Promise<Place> {
  mkdirSync(dataDir, { recursive: true });
  const lock = await lockDir(dataDir, "controller");
  const release = () => lock.release();
  const file = join(dataDir, "controller-id");
  try {
    const known = readFileSync(file, "utf8").trim();
    if (known !== "") return { holder: known, release };
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") {
      await release();
      throw thrown;
    }
  }
  const holder = randomUUID();
  writeFileSync(file, `${holder}\n`, { mode: 0o600 });
  return { holder, release };
}
