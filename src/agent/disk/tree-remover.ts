import { spawn } from "node:child_process";
import { constants, setPriority } from "node:os";

/** Directories that one `rm` is told of. */
const batchMax = 100;
/** An `rm` that takes longer is ended; whoever still wants the rest gone asks again. */
const removalMsMax = 600_000;
const messageCharsMax = 500;

/**
 * Deletes whole directories, one batch at a time, in a process of its own: a guest may leave millions of files, and the
 * agent's few I/O threads are there for its leases. `rm` follows no link, not even one that is put in its way while it works, and
 * stays on the file system of each directory.
 */
export class TreeRemover {
  readonly #closing = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();

  /** What cannot be deleted is left behind, and rejects with what `rm` said of it; the others are gone all the same. */
  remove(dirs: readonly string[]): Promise<void> {
    const turn = this.#turn.then(async () => {
      const problems: unknown[] = [];
      for (let at = 0; at < dirs.length && !this.#closing.signal.aborted; at += batchMax)
        await this.#removeBatch(dirs.slice(at, at + batchMax)).catch((err: unknown) => problems.push(err));
      if (problems.length > 0) throw problems[0];
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Whatever is left then is the next agent's. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#turn;
  }

  #removeBatch(dirs: readonly string[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const child = spawn("rm", ["-rf", "--one-file-system", "--preserve-root=all", "--", ...dirs], {
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
      stdio: ["ignore", "ignore", "pipe"],
      timeout: removalMsMax,
      signal: this.#closing.signal,
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (said.length < messageCharsMax) said = (said + text).slice(0, messageCharsMax);
    });
    child.on("spawn", () => yieldToOthers(child.pid));
    child.on("error", (err) => (this.#closing.signal.aborted ? resolve() : reject(err)));
    child.on("close", (code, signal) => {
      if (code === 0 || this.#closing.signal.aborted) resolve();
      else reject(new Error(said.trim() || `rm ended with ${signal ?? code}`));
    });
    return promise;
  }
}

/** The owner's work comes before our tidying. */
function yieldToOthers(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch (thrown) {
    // It has ended already.
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}
