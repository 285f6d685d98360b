import { spawn, type StdioOptions } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { ProcessGroup } from "../runtime/process-group.ts";

const launcher = fileURLToPath(new URL("launcher.sh", import.meta.url));

export interface LaunchPlan {
  readonly command: readonly string[];
  /** All of it: nothing of the agent's own environment reaches the guest. */
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  readonly logFile: string;
  readonly exitFile: string;
  readonly pidFile: string;
}

/**
 * Starts a guest in its group, detached, in a session of its own. The launcher is in the group before it learns that it may
 * go on, so that no process of the guest ever runs outside. `ended` is called when the launcher has ended, with the exit
 * file written or killed before it could. Throws LAUNCH_FAILED; then nothing runs.
 */
export function launch(plan: LaunchPlan, group: ProcessGroup, ended: () => void): void {
  const logFd = openSync(plan.logFile, "a", 0o640);
  try {
    const args = [launcher, plan.exitFile, plan.pidFile, plan.workingDir, ...plan.command];
    const stdio: StdioOptions = ["pipe", logFd, logFd];
    const child = spawn("/bin/sh", args, { detached: true, env: plan.env, cwd: "/", stdio });
    child.on("error", ended);
    child.on("exit", ended);
    const { pid, stdin } = child;
    if (pid === undefined || stdin === null) throw new Error("no /bin/sh could be started");
    // It may end before it reads: then its end is the news, not the broken pipe.
    stdin.on("error", ended);
    try {
      group.add(pid);
    } catch (thrown) {
      child.kill("SIGKILL");
      throw thrown;
    }
    stdin.end("go\n");
    child.unref();
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new GleanerError("LAUNCH_FAILED", { command: plan.command[0] ?? "", problem }, { cause });
  } finally {
    closeSync(logFd);
  }
}
