import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AgentRig, fileSays, gpu, sh } from "../support/agent/agent-rig.ts";

const agentProcess = new URL("../support/agent/agent-process.ts", import.meta.url).pathname;

/** Works until `go` appears beside its checkpoint, then ends with 7. */
const patient = sh(
  'cd "$GLEANER_CHECKPOINT_DIR"; echo $$ > pid; until [ -e go ]; do sleep 0.01; done; exit 7',
);

async function upInProcess(): Promise<{ rig: AgentRig; kill: () => Promise<void> }> {
  const rig = new AgentRig();
  await rig.controller.listen();
  const args = [agentProcess, join(rig.dir, "agent"), rig.controller.address];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  await rig.controller.until(() => rig.controller.all("samples").length > 0);
  return {
    rig,
    async kill() {
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    },
  };
}

describe("an agent that is killed and comes back", () => {
  it("adopts the guest that still runs, and learns how it ends", async () => {
    const { rig, kill } = await upInProcess();
    await using _ = rig;
    rig.controller.start({ guestId: "g1", command: patient, devices: [gpu[0]], number: 1 });
    await rig.controller.reached("g1:1", "running");
    const pid = await fileSays(rig.checkpointFile("g1", "pid"), (text) => text.endsWith("\n"));
    await kill();

    rig.controller.received.length = 0;
    await rig.startAgent();
    await rig.known();
    expect(rig.controller.all("hello")[0]!.leases).toMatchObject([
      { leaseId: "g1:1", state: "LEASE_STATE_RUNNING", devices: [gpu[0]] },
    ]);
    expect(rig.isAlive(Number(pid))).toBe(true);
    rig.touch(rig.checkpointFile("g1", "go"));
    const step = await rig.controller.reached("g1:1", "released");
    expect(step).toMatchObject({ mover: "guest", end: { exitCode: 7 } });
  });

  it("finishes what ended while it was away, with the exit code", async () => {
    const { rig, kill } = await upInProcess();
    await using _ = rig;
    rig.controller.start({ guestId: "g1", command: patient, devices: [gpu[0]], number: 1 });
    await rig.controller.reached("g1:1", "running");
    await kill();
    rig.touch(rig.checkpointFile("g1", "go"));
    await rig.processesEnded("g1");

    rig.controller.received.length = 0;
    await rig.startAgent();
    const step = await rig.controller.reached("g1:1", "released");
    expect(step).toMatchObject({ mover: "guest", end: { exitCode: 7 } });
  });

  it("keeps a guest frozen across its restart, and goes on climbing", async () => {
    const { rig, kill } = await upInProcess();
    await using _ = rig;
    rig.controller.start({ guestId: "g1", command: patient, devices: [gpu[0]], number: 1, noticeMs: 200 });
    await rig.controller.reached("g1:1", "running");
    rig.controller.command("pause", "g1:1", { demand: { recallId: "r1", deadlineMs: 2_500, hintTtlMs: 0 } });
    await rig.controller.reached("g1:1", "paused");
    await kill();

    await rig.startAgent();
    const step = await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1").slice(0, 3)).toEqual(["running", "paused", "vacating"]);
    expect(step).toMatchObject({ mover: "owner", recallId: "r1" });
  });

  it("I10: kills processes that belong to no lease it knows", async () => {
    const { rig, kill } = await upInProcess();
    await using _ = rig;
    rig.controller.start({ guestId: "g1", command: patient, devices: [gpu[0]], number: 1 });
    await rig.controller.reached("g1:1", "running");
    const pid = Number(await fileSays(rig.checkpointFile("g1", "pid"), (text) => text.endsWith("\n")));
    await kill();
    rig.forgetLease("g1");
    await rig.startAgent();
    expect(rig.isAlive(pid)).toBe(false);
  });

  it("lets no second agent into its directory", async () => {
    await using rig = await AgentRig.up();
    await expect(rig.startAgent()).rejects.toMatchObject({ code: "AGENT_DIR_IN_USE" });
  });

  it("leaves its guests to the next agent when it is stopped, and takes them along when asked to", async () => {
    await using rig = await AgentRig.up();
    rig.controller.start({ guestId: "g1", command: patient, devices: [gpu[0]], number: 1, noticeMs: 200 });
    await rig.controller.reached("g1:1", "running");
    const pid = Number(await fileSays(rig.checkpointFile("g1", "pid"), (text) => text.endsWith("\n")));
    await rig.restartAgent();
    expect(rig.isAlive(pid)).toBe(true);
    await rig.stopAgent({ vacate: true });
    expect(rig.isAlive(pid)).toBe(false);
    expect(rig.controller.states("g1:1").at(-1)).toBe("released");
  });
});
