import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { processEntry } from "../../src/agent/runtime/proc.ts";
import { AgentRig, fileSays, gpu, sh } from "../support/agent/agent-rig.ts";

describe("the life of a guest on an agent", () => {
  it("runs a guest to its exit 0 and proves the hand-back (I10)", async () => {
    await using rig = await AgentRig.up();
    rig.controller.start({ guestId: "g1", command: sh("exit 0"), devices: [gpu[0]], number: 1 });
    const step = await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1").at(0)).toBe("running");
    expect(step).toMatchObject({ mover: "guest", devices: [gpu[0]], end: { exitCode: 0, exitSignal: "" } });
  });

  it.each([
    ["the wish to be put back", "exit 85", { exitCode: 85, exitSignal: "" }],
    ["a failure", "exit 3", { exitCode: 3, exitSignal: "" }],
    ["an end by signal", "kill -SEGV $$", { exitCode: null, exitSignal: "SIGSEGV" }],
  ])("reports %s as it was", async (_, script, end) => {
    await using rig = await AgentRig.up();
    rig.controller.start({ guestId: "g1", command: sh(script), devices: [gpu[0]], number: 1 });
    expect(await rig.controller.reached("g1:1", "released")).toMatchObject({ mover: "guest", end });
  });

  it("tells a guest what the contract promises, and nothing of the agent's own environment", async () => {
    await using rig = await AgentRig.up();
    const env = { LEARNING_RATE: "0.1", GLEANER_JOB_ID: "forged" };
    const command = sh('env > "$GLEANER_CHECKPOINT_DIR/env"; pwd >> "$GLEANER_CHECKPOINT_DIR/env"');
    rig.controller.start({
      guestId: "g1",
      attempt: 2,
      command,
      env,
      devices: [...gpu],
      number: 1,
      noticeMs: 1_500,
    });
    await rig.controller.reached("g1:2", "released");
    const seen = readFileSync(rig.checkpointFile("g1", "env"), "utf8").split("\n");
    expect(seen).toEqual(
      expect.arrayContaining([
        "GLEANER_JOB_ID=g1",
        "GLEANER_ATTEMPT=2",
        `GLEANER_CHECKPOINT_DIR=${join(rig.dir, "agent/checkpoints/g1")}`,
        "GLEANER_NOTICE_S=1.5",
        "GLEANER_CHECKPOINT_INTERVAL_S=60",
        `CUDA_VISIBLE_DEVICES=${gpu.join(",")}`,
        `NVIDIA_VISIBLE_DEVICES=${gpu.join(",")}`,
        "LEARNING_RATE=0.1",
        join(rig.dir, "agent/guests/g1/2/work"),
      ]),
    );
    expect(seen.join("\n")).not.toContain("SECRET");
  });

  it("tells a new controller what it knows of its devices, without waiting for the next reading", async () => {
    await using rig = await AgentRig.up();
    await rig.known();
    await rig.controller.reconnected();
    await rig.controller.until(() => rig.controller.all("samples").length > 0);
    const again = rig.controller.all("samples").at(-1);
    expect(again?.samples.map(({ device, utilPct }) => [device, utilPct]).toSorted()).toEqual(
      gpu.map((uuid) => [uuid, 0]),
    );
  });

  it("keeps the checkpoints of a guest across its attempts", async () => {
    await using rig = await AgentRig.up();
    const command = sh(
      'cd "$GLEANER_CHECKPOINT_DIR"; echo $GLEANER_ATTEMPT >> made; test $(wc -l < made) = 2',
    );
    rig.controller.start({ guestId: "g1", command, devices: [gpu[0]], number: 1 });
    expect((await rig.controller.reached("g1:1", "released")).end?.exitCode).toBe(1);
    rig.controller.start({ guestId: "g1", attempt: 2, command, devices: [gpu[0]], number: 2 });
    expect((await rig.controller.reached("g1:2", "released")).end?.exitCode).toBe(0);
  });

  it("measures the work that no checkpoint holds", async () => {
    await using rig = await AgentRig.up();
    const command = sh('sleep 0.3; touch "$GLEANER_CHECKPOINT_DIR/ck"; sleep 0.3');
    rig.controller.start({ guestId: "g1", command, devices: [gpu[0]], number: 1 });
    const { end } = await rig.controller.reached("g1:1", "released");
    expect(end?.workedMs).toBeGreaterThanOrEqual(600);
    expect(end?.checkpointAgeMs).toBeGreaterThanOrEqual(250);
    expect(end?.checkpointAgeMs).toBeLessThan(end!.workedMs - 250);
  });

  it("reports a command that cannot be run as the guest's failure, with the reason in its log", async () => {
    await using rig = await AgentRig.up();
    rig.controller.start({ guestId: "g1", command: ["/no/such/program"], devices: [gpu[0]], number: 1 });
    const { end, mover } = await rig.controller.reached("g1:1", "released");
    expect([mover, end?.exitCode]).toEqual(["guest", 127]);
    const log = await fileSays(join(rig.dir, "agent/guests/g1/1/log"), (text) => text !== "");
    expect(log).toContain("/no/such/program");
  });

  it("kills what a guest leaves behind before the device counts as given back (I10)", async () => {
    await using rig = await AgentRig.up();
    const command = sh('setsid sleep 1000 & echo $! > "$GLEANER_CHECKPOINT_DIR/pid"; exit 0');
    rig.controller.start({ guestId: "g1", command, devices: [gpu[0]], number: 1 });
    const step = await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1")).toEqual(["running", "killing", "released"]);
    expect(step).toMatchObject({ mover: "guest", end: { exitCode: 0 } });
    const pid = Number(readFileSync(rig.checkpointFile("g1", "pid"), "utf8"));
    expect(processEntry(pid)?.state ?? "gone").toMatch(/gone|Z/);
  });
});
