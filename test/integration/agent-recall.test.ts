import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { connectClients } from "../../src/api/client.ts";
import { recallProgressFromProto } from "../../src/api/convert/recall.ts";
import type { RecallProgress } from "../../src/api/ports.ts";
import { type RecallRequest, Rung } from "../../src/gen/gleaner/v1/owners.ts";
import { AgentRig, fileSays, gpu, sh } from "../support/agent/agent-rig.ts";
import { collect } from "../support/collect.ts";

const saving = sh(`
  cd "$GLEANER_CHECKPOINT_DIR"
  trap 'exit 85' TERM
  touch up
  while :; do sleep 0.005; done
`);
const stubborn = sh('trap "" TERM; touch "$GLEANER_CHECKPOINT_DIR/up"; while :; do sleep 0.01; done');

async function recall(rig: AgentRig, change: Partial<RecallRequest>): Promise<RecallProgress[]> {
  const clients = connectClients(rig.agent!.recallAddress!);
  try {
    const request: RecallRequest = {
      target: { scope: { $case: "devices", value: { uuids: [gpu[0]] } } },
      firstRung: Rung.UNSPECIFIED,
      reason: "a test",
      ...change,
    };
    return (await collect(clients.owners.recall(request))).map(recallProgressFromProto);
  } finally {
    clients.close();
  }
}

async function lent(rig: AgentRig, command: readonly string[]): Promise<void> {
  rig.controller.start({ guestId: "g1", command, devices: [gpu[0]], number: 1, noticeMs: 400 });
  await rig.controller.reached("g1:1", "running");
  await fileSays(rig.checkpointFile("g1", "up"));
}

const stagesOf = (progress: readonly RecallProgress[]) => progress.map(({ stage }) => stage);

describe("an owner's recall at the agent itself", () => {
  it("I5: pauses at once, gives the notice when the deadline asks for it, and is released before the deadline", async () => {
    await using rig = await AgentRig.up();
    await lent(rig, saving);
    const progress = await recall(rig, { deadlineMs: 1_500 });
    expect(stagesOf(progress)).toEqual(["accepted", "paused", "vacating", "released"]);
    const [, paused, vacating, released] = progress;
    expect(paused!.elapsedMs).toBeLessThan(200);
    // 1,500 ms less the margin of 300 ms and the notice of 400 ms.
    expect(vacating!.elapsedMs).toBeGreaterThanOrEqual(800);
    expect(released!.elapsedMs).toBeLessThan(1_500);
    expect(released).toMatchObject({ leaseId: "g1:1", device: gpu[0] });
    const step = await rig.controller.reached("g1:1", "released");
    expect(step).toMatchObject({ mover: "owner", recallId: released!.recallId, end: { exitCode: 85 } });
    expect(step.signalToStepMs).toBeLessThan(1_500);
  });

  it("tells whoever calls second, too, that the guest is frozen", async () => {
    await using rig = await AgentRig.up();
    await lent(rig, saving);
    const first = recall(rig, { deadlineMs: 1_500 });
    await rig.controller.reached("g1:1", "paused");
    const second = await recall(rig, { deadlineMs: 1_500 });
    expect(stagesOf(second)).toEqual(["accepted", "paused", "vacating", "released"]);
    expect(second[1]!.elapsedMs).toBeLessThan(200);
    await first;
  });

  it("I5: kills in time whoever ignores the notice", async () => {
    await using rig = await AgentRig.up();
    await lent(rig, stubborn);
    const progress = await recall(rig, { deadlineMs: 1_500, firstRung: Rung.VACATE });
    expect(stagesOf(progress)).toEqual(["accepted", "vacating", "killing", "released"]);
    expect(progress.at(-1)!.elapsedMs).toBeLessThan(1_500);
  });

  it("I0: needs no controller, and tells the next one what it missed", async () => {
    await using rig = await AgentRig.up();
    await lent(rig, saving);
    const { address } = rig.controller;
    rig.controller.vanish();
    const progress = await recall(rig, { deadlineMs: 5_000, firstRung: Rung.VACATE });
    expect(stagesOf(progress)).toEqual(["accepted", "vacating", "released"]);

    rig.controller.received.length = 0;
    await rig.controller.listen(address);
    const step = await rig.controller.reached("g1:1", "released");
    expect(step.recallId).toBe(progress[0]!.recallId);
    const told = () => rig.controller.all("recallReport").map(({ stage }) => stage);
    await rig.controller.until(() => told().includes("RECALL_STAGE_RELEASED"));
    expect(told()).toEqual(["RECALL_STAGE_ACCEPTED", "RECALL_STAGE_VACATING", "RECALL_STAGE_RELEASED"]);
  });

  it("repeats what was not acknowledged on the next stream, and nothing of what was", async () => {
    await using rig = await AgentRig.up({}, (controller) => {
      controller.acknowledges = false;
    });
    await recall(rig, { holdMs: 0 });
    const told = () => rig.controller.all("recallReport").length;
    await rig.controller.until(() => told() > 0);
    rig.controller.acknowledges = true;
    await rig.controller.reconnected();
    await rig.controller.until(() => told() > 0);
    await rig.controller.reconnected();
    await rig.controller.until(() => rig.controller.all("renewTerms").length > 0);
    expect(told()).toBe(0);
  });

  it("says in every Hello which recalls stand, and of those that ended only what was not acknowledged", async () => {
    await using rig = await AgentRig.up();
    await lent(rig, saving);
    const done = recall(rig, { deadlineMs: 60_000, firstRung: Rung.PAUSE });
    await rig.controller.reached("g1:1", "paused");
    await rig.controller.reconnected();
    const standing = () => rig.controller.all("hello").at(-1)!.recalls;
    expect(standing()).toMatchObject([{ device: gpu[0], stage: "RECALL_STAGE_PAUSED", leaseId: "g1:1" }]);
    rig.controller.command("kill", "g1:1", { demand: undefined, reason: "test" });
    await done;
    const ended = () =>
      rig.controller.all("recallReport").some(({ stage }) => stage === "RECALL_STAGE_RELEASED");
    await rig.controller.until(ended);
    await rig.controller.reconnected();
    expect(standing()).toEqual([]);
  });

  it("knows nothing of a recall any more that a restart of the host has cut off", async () => {
    await using rig = await AgentRig.up({}, (controller) => {
      controller.acknowledges = false;
    });
    await lent(rig, saving);
    const cutOff = recall(rig, { deadlineMs: 60_000, firstRung: Rung.PAUSE }).catch(() => {});
    await rig.controller.reached("g1:1", "paused");
    await rig.stopAgent();
    await cutOff;
    const file = join(rig.dir, "agent", "recalls.json");
    const book = JSON.parse(readFileSync(file, "utf8"));
    expect(book.standing).toHaveLength(1);
    writeFileSync(file, JSON.stringify({ ...book, bootId: "of another boot" }));
    rig.controller.received.length = 0;
    await rig.startAgent();
    await rig.known();
    expect(rig.controller.all("hello")[0]!.recalls).toEqual([]);
    await rig.controller.until(() => rig.controller.all("renewTerms").length > 0);
    expect(rig.controller.all("recallReport")).toEqual([]);
  });

  it("answers at once for a device that is not lent, and keeps it from being lent for as long as was asked", async () => {
    await using rig = await AgentRig.up();
    expect(stagesOf(await recall(rig, { holdMs: 60_000 }))).toEqual(["released"]);
    const refused = rig.controller.start({ guestId: "g1", command: saving, devices: [gpu[0]], number: 1 });
    expect(await rig.controller.result(refused)).toMatchObject({
      outcome: "COMMAND_OUTCOME_OWNER_FIRST",
      detail: expect.stringContaining("recalled"),
    });
    const taken = rig.controller.start({
      guestId: "g2",
      command: sh("exit 0"),
      devices: [gpu[1]],
      number: 2,
    });
    expect((await rig.controller.result(taken)).outcome).toBe("COMMAND_OUTCOME_DONE");
  });

  it("takes a gang as one: recalled on one device, it leaves them all", async () => {
    await using rig = await AgentRig.up();
    rig.controller.start({ guestId: "g1", command: saving, devices: [...gpu], number: 1, noticeMs: 400 });
    await rig.controller.reached("g1:1", "running");
    await fileSays(rig.checkpointFile("g1", "up"));
    const progress = await recall(rig, { deadlineMs: 1_500, holdMs: 0 });
    expect(stagesOf(progress)).toEqual(["accepted", "paused", "vacating", "released"]);
    expect(await rig.controller.reached("g1:1", "released")).toMatchObject({ devices: [...gpu] });
    const next = rig.controller.start({ guestId: "g2", command: saving, devices: [...gpu], number: 2 });
    expect((await rig.controller.result(next)).outcome).toBe("COMMAND_OUTCOME_DONE");
  });

  it("takes of a pool first what is not lent", async () => {
    await using rig = await AgentRig.up();
    await lent(rig, saving);
    const target: RecallRequest["target"] = {
      scope: { $case: "pool", value: { pool: "research", devices: 1 } },
    };
    const progress = await recall(rig, { target });
    expect(progress).toMatchObject([{ device: gpu[1], stage: "released", outstanding: 1 }]);
    expect(rig.controller.states("g1:1")).toEqual(["running"]);
  });

  it("refuses devices that it does not have", async () => {
    await using rig = await AgentRig.up();
    const target: RecallRequest["target"] = { scope: { $case: "devices", value: { uuids: ["GPU-9"] } } };
    await expect(recall(rig, { target })).rejects.toMatchObject({ code: "DEVICE_NOT_FOUND" });
  });

  it("starts nothing on a device whose owner works", async () => {
    await using rig = await AgentRig.up();
    rig.source.tell(3, [gpu[0]]);
    await rig.controller.until(() => rig.controller.all("samples").length >= 2);
    const refused = rig.controller.start({ guestId: "g1", command: saving, devices: [...gpu], number: 1 });
    expect((await rig.controller.result(refused)).outcome).toBe("COMMAND_OUTCOME_OWNER_FIRST");
    expect(rig.controller.states("g1:1")).toEqual([]);
  });
});
