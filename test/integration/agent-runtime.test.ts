import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { detectRuntime } from "../../src/agent/runtime/detect.ts";
import { processEntry } from "../../src/agent/runtime/proc.ts";
import type { ProcessGroup, Runtime, RuntimeKind } from "../../src/agent/runtime/process-group.ts";
import { groupVariable } from "../../src/agent/runtime/process-tree.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { fileSays } from "../support/agent/agent-rig.ts";

const kinds: RuntimeKind[] = ["cgroup-v2", "cgroup-v1", "process-tree"];
const logger = createLogger({ name: "test", level: "silent" });
const name = `test-runtime-${process.pid}`;

/** Children of children, some of which leave the session, each writing on while it is let run. */
const family = `
  tick() { while :; do echo x >> "$1"; sleep 0.005; done; }
  tick a &
  ( ( tick b & ) & )
  setsid sh -c 'while :; do echo x >> c; sleep 0.005; done' &
  while :; do ( : ); echo x >> d; done
`;
const files = ["a", "b", "c", "d"];

describe.each(kinds)("processes in a %s group", (kind) => {
  let dir = "";
  let runtime: Runtime;
  let group: ProcessGroup;
  let child: ChildProcess;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "gleaner-runtime-"));
    runtime = detectRuntime(kind, name, logger);
    group = runtime.create(`${kind}.${Date.now()}`, () => {});
    const env = { PATH: "/usr/bin:/bin", [groupVariable]: group.handle };
    const script = `read -r go; cd ${dir}; ${family}`;
    child = spawn("/bin/sh", ["-c", script], { detached: true, env, stdio: ["pipe", "ignore", "ignore"] });
    group.add(child.pid!);
    child.stdin!.end("go\n");
    for (const file of files) await fileSays(join(dir, file), (text) => text.length > 4);
  });

  afterEach(async () => {
    if (!group.isEmpty()) await killed();
    group.remove();
    runtime.release();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Asked again as an agent does: at a bounded rate, until it is so. */
  async function seen(check: () => boolean): Promise<void> {
    for (let waitMs = 1; !check(); waitMs = Math.min(waitMs * 2, 50)) await sleep(waitMs);
  }

  async function killed(): Promise<void> {
    await seen(() => {
      if (!group.isEmpty()) group.kill();
      return group.isEmpty();
    });
  }

  const written = () => files.map((file) => statSync(join(dir, file)).size);

  it("are frozen all together, forking ones too, and go on after the thaw", async () => {
    group.freeze();
    await seen(() => group.isFrozen());
    const standing = written();
    await sleep(100);
    expect(written()).toEqual(standing);
    group.thaw();
    for (const [index, file] of files.entries())
      await fileSays(join(dir, file), (text) => text.length > standing[index]!);
  });

  it("are killed while they are frozen, and nothing is left", async () => {
    group.freeze();
    await seen(() => group.isFrozen());
    const pids = group.members();
    expect(pids.length).toBeGreaterThanOrEqual(4);
    const exit = once(child, "exit");
    await killed();
    await exit;
    expect(group.members()).toEqual([]);
    for (const pid of pids) expect(processEntry(pid)?.state ?? "gone").toMatch(/gone|Z|X/);
  });

  it("are found again by an agent that was restarted, wherever they hang by then", async () => {
    const before = group.members().length;
    group.close();
    child.kill("SIGKILL");
    await once(child, "exit");
    const later = detectRuntime(kind, name, logger);
    expect(later.existing()).toContain(group.handle);
    group = later.reopen(group.handle, () => {})!;
    expect(group.members().length).toBeGreaterThanOrEqual(Math.min(3, before - 1));
    await killed();
    const standing = written();
    await sleep(50);
    expect(written()).toEqual(standing);
  });
});

describe("the choice of a runtime", () => {
  it("takes the best that the machine has", () => {
    const mounts = readFileSync("/proc/mounts", "utf8");
    const best = / cgroup2 /.test(mounts)
      ? "cgroup-v2"
      : /cgroup .*freezer/.test(mounts)
        ? "cgroup-v1"
        : "process-tree";
    const expected = process.getuid?.() === 0 ? best : expect.any(String);
    const runtime = detectRuntime("auto", name, logger);
    runtime.release();
    expect(runtime.kind).toEqual(expected);
  });
});
