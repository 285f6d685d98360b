import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { RuntimeKind } from "../../src/agent/runtime/process-group.ts";
import { fileSays, gpu, sh } from "../support/agent/agent-rig.ts";
import { KeeperRig, type KeeperOptions } from "../support/agent/keeper-rig.ts";

/** Works until `go` appears beside its checkpoint, then ends with 7; hears no notice. */
const patient = sh(
  'trap "" TERM; cd "$GLEANER_CHECKPOINT_DIR"; echo $$ > pid; until [ -e go ]; do sleep 0.02; done; exit 7',
);

const kinds: RuntimeKind[] = ["cgroup-v2", "cgroup-v1", "process-tree"];
const deadlineMs = 4_000;
/** Term, notice, margin and drift fit the deadline with some room. */
const hasty: KeeperOptions = { termMs: 1_500, deadlineMs };

async function withGuest(options: KeeperOptions = {}): Promise<{ rig: KeeperRig; pid: number }> {
  const rig = await KeeperRig.kept(options);
  rig.controller.start({ guestId: "g1", command: patient, devices: [gpu[0]], number: 1, noticeMs: 400 });
  await rig.controller.reached("g1:1", "running");
  const text = await fileSays(rig.checkpointFile("g1", "pid"), (said) => said.endsWith("\n"));
  return { rig, pid: Number(text) };
}

async function gone(rig: KeeperRig, pid: number): Promise<void> {
  while (rig.isAlive(pid)) await sleep(10);
}

describe("a keeper", () => {
  it("I11: starts an agent that was killed again, and the guest goes on", async () => {
    const { rig, pid } = await withGuest();
    await using _ = rig;
    rig.controller.received.length = 0;
    const first = rig.agentPid;
    process.kill(first, "SIGKILL");
    await rig.agentIsBack();
    expect(rig.agentPid).not.toBe(first);
    expect(rig.controller.all("hello")[0]!.leases).toMatchObject([{ state: "LEASE_STATE_RUNNING" }]);
    expect(rig.isAlive(pid)).toBe(true);
    rig.touch(rig.checkpointFile("g1", "go"));
    expect(await rig.controller.reached("g1:1", "released")).toMatchObject({ end: { exitCode: 7 } });
    expect(rig.said.join()).not.toMatch(/ended the guest/);
  });

  it.each(kinds.flatMap((kind) => [false, true].map((frozen) => [kind, frozen] as const)))(
    "I5: ends a guest by the deadline where its agent hangs (%s, frozen: %s), and the agent reports it",
    async (runtime, frozen) => {
      const { rig, pid } = await withGuest({ ...hasty, runtime });
      await using _ = rig;
      if (frozen) {
        rig.controller.command("pause", "g1:1", { demand: undefined });
        await rig.controller.reached("g1:1", "paused");
      }
      process.kill(rig.agentPid, "SIGSTOP");
      const stoppedAtMs = performance.now();
      await gone(rig, pid);
      expect(performance.now() - stoppedAtMs).toBeLessThan(deadlineMs);
      await rig.says(/ended the guest in .*g1/);
      process.kill(rig.agentPid, "SIGCONT");
      const step = await rig.controller.reached("g1:1", "released");
      expect(step).toMatchObject({ mover: "term", end: { exitSignal: "SIGKILL" } });
    },
  );

  it("I5: ends a guest whose agent is dead and cannot come back, and says what keeps it away", async () => {
    const { rig, pid } = await withGuest(hasty);
    await using _ = rig;
    const fence = join(rig.dataDir, "fence.json");
    const kept = readFileSync(fence, "utf8");
    writeFileSync(fence, kept.slice(0, kept.length / 2));
    process.kill(rig.agentPid, "SIGKILL");
    const killedAtMs = performance.now();
    await gone(rig, pid);
    expect(performance.now() - killedAtMs).toBeLessThan(deadlineMs);
    await rig.says(/agent's state at .*fence\.json cannot be read/);
    await rig.says(/the agent ended \(status [1-9]\d*\); starting it again/);

    writeFileSync(fence, kept);
    const step = await rig.controller.reached("g1:1", "released");
    expect(step).toMatchObject({ mover: "term", end: { exitSignal: "SIGKILL" } });
  });

  it("that was killed finds the agent that runs, starts no second one, and looks after it", async () => {
    const { rig, pid } = await withGuest();
    await using _ = rig;
    const agent = rig.agentPid;
    await rig.endKeeper("SIGKILL");
    rig.startKeeper();
    await rig.says(new RegExp(`the agent runs already \\(pid ${agent}\\)`));
    rig.controller.received.length = 0;
    process.kill(agent, "SIGKILL");
    await rig.agentIsBack();
    expect(rig.isAlive(pid)).toBe(true);
    expect(rig.said.join()).not.toMatch(/AGENT_DIR_IN_USE/);
  });

  it("starts an agent anew that hangs for long", async () => {
    const { rig } = await withGuest(hasty);
    await using _ = rig;
    rig.controller.received.length = 0;
    process.kill(rig.agentPid, "SIGSTOP");
    await rig.says(/the agent hangs/);
    expect(await rig.controller.reached("g1:1", "released")).toMatchObject({ mover: "term" });
  });

  it("goes on with what it knew where the agent's word is unreadable, and says so", async () => {
    const { rig, pid } = await withGuest(hasty);
    await using _ = rig;
    // The keeper has looked since the guest began.
    await sleep(1_100);
    process.kill(rig.agentPid, "SIGSTOP");
    const files = ["keeper.0", "keeper.1"].map((name) => join(rig.dataDir, name));
    const kept = files.map((file) => readFileSync(file));
    writeFileSync(files[0]!, kept[0]!.subarray(0, 20));
    writeFileSync(files[1]!, Buffer.from([0, 255, 10, 0, 97, 10]));
    await rig.says(/cannot be read; going on/);
    await gone(rig, pid);
    for (const [index, file] of files.entries()) writeFileSync(file, kept[index]!);
    process.kill(rig.agentPid, "SIGCONT");
    await rig.controller.reached("g1:1", "released");
  });

  it("that is told to stop has the guests vacated, and leaves no process", async () => {
    const { rig, pid } = await withGuest();
    await using _ = rig;
    const agent = rig.agentPid;
    expect(await rig.endKeeper("SIGTERM")).toBe(0);
    expect([rig.isAlive(agent), rig.isAlive(pid)]).toEqual([false, false]);
    expect(rig.controller.states("g1:1").at(-1)).toBe("released");
  });

  it("is about 1 MiB", async () => {
    await using rig = await KeeperRig.kept();
    const [kib = Infinity] = /Private_Dirty:\s+(\d+)/
      .exec(readFileSync(`/proc/${rig.keeperPid}/smaps_rollup`, "utf8"))!
      .slice(1)
      .map(Number);
    expect(kib).toBeLessThan(1_024);
  });
});
