import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

const root = new URL("../../", import.meta.url).pathname;
export const gleaner = `${root}bin/gleaner`;

export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Beside PATH and HOME; nothing else of this process's environment is handed on. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

/** The real command, as a shell would run it. */
export function startCli(words: readonly string[], { env = {}, cwd = root }: CliOptions = {}) {
  const { PATH = "", HOME = "/" } = process.env;
  return spawn(gleaner, words, { cwd, env: { PATH, HOME, ...env }, stdio: ["pipe", "pipe", "pipe"] });
}

export async function runCli(words: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const child = startCli(words, options);
  child.stdin.end(options.input ?? "");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code: child.exitCode, stdout, stderr };
}
