import { accessSync, constants, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Logger } from "../../runtime/log.ts";
import { cgroupV1Runtime } from "./cgroup-v1.ts";
import { cgroupV2Runtime } from "./cgroup-v2.ts";
import type { Runtime, RuntimeKind } from "./process-group.ts";
import { processTreeRuntime } from "./process-tree.ts";

/**
 * The best runtime that this machine and our rights allow: cgroup v2, the v1 freezer, or plain processes. `name` is the
 * agent's, unique on the host. Throws RUNTIME_UNAVAILABLE where a `wanted` kind cannot be had.
 */
export function detectRuntime(wanted: RuntimeKind | "auto", name: string, logger: Logger): Runtime {
  const refusals: string[] = [];
  for (const kind of wanted === "auto" ? preference : [wanted]) {
    const runtime = openers[kind](name, refusals);
    if (runtime === null) continue;
    logger.info({ runtime: kind, refusals }, "guests are run by this runtime");
    return runtime;
  }
  throw new GleanerError("RUNTIME_UNAVAILABLE", { runtime: wanted, problem: refusals.join("; ") });
}

const preference: readonly RuntimeKind[] = ["cgroup-v2", "cgroup-v1", "process-tree"];

type Opener = (name: string, refusals: string[]) => Runtime | null;

const openers: Readonly<Record<RuntimeKind, Opener>> = {
  "cgroup-v2": (name, refusals) => {
    const mounts = mountsOf((mount) => mount.type === "cgroup2");
    const root = firstWritable(mounts, name, ["cgroup.kill", "cgroup.freeze"], refusals);
    return root === null ? null : cgroupV2Runtime(root);
  },
  "cgroup-v1": (name, refusals) => {
    const mounts = mountsOf((mount) => mount.type === "cgroup" && mount.options.includes("freezer"));
    const root = firstWritable(mounts, name, ["freezer.state"], refusals);
    return root === null ? null : cgroupV1Runtime(root);
  },
  "process-tree": (name) => processTreeRuntime(`${name}/`),
};

interface Mount {
  readonly path: string;
  readonly type: string;
  readonly options: readonly string[];
}

function mountsOf(wanted: (mount: Mount) => boolean): string[] {
  return readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .map(([, path = "", type = "", options = ""]) => ({ path, type, options: options.split(",") }))
    .filter(wanted)
    .map((mount) => mount.path);
}

/** Guests live beside the agent, not below it, so that whatever stops the agent's own cgroup leaves them alone. */
function firstWritable(
  mounts: readonly string[],
  name: string,
  files: readonly string[],
  refusals: string[],
): string | null {
  for (const mount of mounts) {
    const root = join(mount, "gleaner", name);
    try {
      mkdirSync(root, { recursive: true });
      accessSync(root, constants.W_OK);
    } catch (thrown) {
      refusals.push(`${root}: ${(thrown as Error).message}`);
      continue;
    }
    const missing = files.filter((file) => !existsSync(join(root, file)));
    if (missing.length === 0) return root;
    refusals.push(`${root}: no ${missing.join(", ")}`);
  }
  if (mounts.length === 0) refusals.push(`no file system with ${files[0]} is mounted`);
  return null;
}
