import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { startCli, type CliOptions } from "./cli.ts";

export interface Up extends AsyncDisposable {
  readonly apiAddress: string;
  readonly httpAddress: string;
  /** At the start. */
  readonly leader: string | null;
  readonly recallAddresses: Readonly<Record<string, string>>;
  /** At the start, by name: `controller`, `agent host-1`. */
  readonly pids: Readonly<Record<string, number>>;
  readonly dataDir: string;
  /** What it said to a person, so far. */
  readonly said: readonly string[];
  /** As kill -9 would: no chance to end the others. */
  kill(): void;
  /** As Ctrl-C would; resolves with the exit code when it has ended. */
  stop(): Promise<number | null>;
}

/** A real `gleaner up` on ports and in a directory of its own. */
export async function startUp(words: readonly string[], options: CliOptions = {}): Promise<Up> {
  const dataDir = mkdtempSync(join(tmpdir(), "gleaner-up-"));
  const address = ["--api-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--data-dir", dataDir];
  const child = startCli(["up", "--json", ...address, ...words], options);
  const said: string[] = [];
  createInterface(child.stderr).on("line", (line) => said.push(line));
  const ended = once(child, "close") as Promise<[number | null]>;
  const [line] = (await Promise.race([once(createInterface(child.stdout), "line"), ended])) as [unknown];
  if (typeof line !== "string") throw new Error(`gleaner up ended: ${said.join("\n")}`);
  const stop = async () => {
    child.kill("SIGINT");
    const [code] = await ended;
    return code;
  };
  return {
    ...(JSON.parse(line) as Pick<Up, "apiAddress" | "httpAddress" | "leader" | "recallAddresses" | "pids">),
    dataDir,
    said,
    kill: () => void child.kill("SIGKILL"),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Asks again until the answer is neither null nor false. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null | false> | T | null | false,
  patienceMs = 30_000,
): Promise<T> {
  const giveUpAtMs = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== false) return answer;
    if (performance.now() > giveUpAtMs) throw new Error(`waited ${patienceMs} ms in vain until ${what}`);
    await sleep(50);
  }
}
