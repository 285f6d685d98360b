import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Rung, VacateFromPause } from "../../src/gen/gleaner/v1/owners.ts";
import { AgentRig, fileSays, gpu, sh, testSettings } from "../support/agent/agent-rig.ts";
import { poolSettings } from "../support/agent/test-controller.ts";

/** Writes a line every few ms while it is let run; on SIGTERM it checkpoints and leaves as the contract says. */
const ticking = sh(`
  cd "$GLEANER_CHECKPOINT_DIR"
  trap 'echo saved > saved; exit 85' TERM
  while :; do echo tick >> ticks; sleep 0.005; done
`);
const stubborn = sh('trap "" TERM; touch "$GLEANER_CHECKPOINT_DIR/up"; while :; do sleep 0.01; done');

async function ticks(rig: AgentRig, more = 3): Promise<number> {
  const file = rig.checkpointFile("g1", "ticks");
  const before = (await fileSays(file)).length;
  return (await fileSays(file, (text) => text.length >= before + 5 * more)).length;
}

async function running(rig: AgentRig, command = ticking, noticeMs = 2_000): Promise<void> {
  rig.controller.start({ guestId: "g1", command, devices: [gpu[0]], number: 1, noticeMs });
  await rig.controller.reached("g1:1", "running");
}

describe("the ladder on real processes", () => {
  it("freezes a guest when its owner works, and goes on only when the controller says so", async () => {
    await using rig = await AgentRig.up();
    await running(rig);
    await ticks(rig);
    rig.source.tell(1, [gpu[0]]);
    const paused = await rig.controller.reached("g1:1", "paused");
    const standing = readFileSync(rig.checkpointFile("g1", "ticks"), "utf8").length;
    expect(paused.mover).toBe("activity");
    expect(paused.signalToStepMs).toBeLessThan(1_000);

    const early = rig.controller.command("resume", "g1:1", {});
    expect((await rig.controller.result(early)).outcome).toBe("COMMAND_OUTCOME_OWNER_FIRST");
    rig.source.tell(0, [gpu[0]]);
    await rig.controller.until(() => rig.controller.all("samples").length >= 3);
    expect(readFileSync(rig.checkpointFile("g1", "ticks"), "utf8").length).toBe(standing);

    rig.controller.command("resume", "g1:1", {});
    expect((await rig.controller.reached("g1:1", "running", 2)).mover).toBe("controller");
    expect(await ticks(rig)).toBeGreaterThan(standing);
  });

  it("does not resume while a Busy hint stands, and does once it is withdrawn", async () => {
    await using rig = await AgentRig.up();
    await running(rig);
    rig.controller.command("pause", "g1:1", { demand: { recallId: "", deadlineMs: 0, hintTtlMs: 60_000 } });
    expect((await rig.controller.reached("g1:1", "paused")).mover).toBe("owner");
    const early = rig.controller.command("resume", "g1:1", {});
    expect((await rig.controller.result(early)).outcome).toBe("COMMAND_OUTCOME_OWNER_FIRST");
    rig.controller.command("withdraw", "g1:1", { recallId: "" });
    rig.controller.command("resume", "g1:1", {});
    await rig.controller.reached("g1:1", "running", 2);
  });

  it("I0: leaves a guest frozen that was to leave before its owner came, where the owner was first", async () => {
    await using rig = await AgentRig.up();
    await running(rig);
    rig.controller.command("pause", "g1:1", { demand: { recallId: "", deadlineMs: 0, hintTtlMs: 60_000 } });
    await rig.controller.reached("g1:1", "paused");
    const vacate = { noticeMs: 2_000, demand: undefined, reason: "a test" };
    const early = rig.controller.command("vacate", "g1:1", { ...vacate, early: true });
    await rig.controller.result(early);
    expect(rig.controller.states("g1:1")).toEqual(["running", "paused"]);
    rig.controller.command("vacate", "g1:1", { ...vacate, early: false });
    await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1")).toEqual(["running", "paused", "vacating", "released"]);
  });

  it("gives a guest its notice, and reports that it left as asked", async () => {
    await using rig = await AgentRig.up();
    await running(rig);
    await ticks(rig);
    rig.controller.command("vacate", "g1:1", {
      noticeMs: 2_000,
      demand: undefined,
      reason: "a test",
      early: false,
    });
    const step = await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1")).toEqual(["running", "vacating", "released"]);
    expect(step).toMatchObject({ mover: "controller", end: { exitCode: 85 } });
    expect(step.end?.vacateMs).toBeLessThan(2_000);
    expect(readFileSync(rig.checkpointFile("g1", "saved"), "utf8")).toBe("saved\n");
  });

  it("kills a guest that ignores its notice, not before the notice is over", async () => {
    await using rig = await AgentRig.up();
    await running(rig, stubborn);
    await fileSays(rig.checkpointFile("g1", "up"));
    rig.controller.command("vacate", "g1:1", {
      noticeMs: 400,
      demand: undefined,
      reason: "a test",
      early: false,
    });
    const step = await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1")).toEqual(["running", "vacating", "killing", "released"]);
    expect(step.end).toMatchObject({ exitCode: null, exitSignal: "SIGKILL" });
    expect(step.end?.vacateMs).toBeGreaterThanOrEqual(400);
    expect(step.end?.vacateMs).toBeLessThan(1_400);
  });

  it("lets the notice reach a guest behind a shell that does not pass it on", async () => {
    await using rig = await AgentRig.up();
    const inner = `trap 'touch heard; exit 0' TERM; touch up; while :; do sleep 0.01; done`;
    await running(rig, sh(`cd "$GLEANER_CHECKPOINT_DIR"; sh -c "${inner}"; true`));
    await fileSays(rig.checkpointFile("g1", "up"));
    rig.controller.command("vacate", "g1:1", {
      noticeMs: 5_000,
      demand: undefined,
      reason: "a test",
      early: false,
    });
    const step = await rig.controller.reached("g1:1", "released");
    expect(step.end?.vacateMs).toBeLessThan(4_000);
    await fileSays(rig.checkpointFile("g1", "heard"));
  });

  it("thaws a paused guest for its notice when the pause budget is over", async () => {
    await using rig = await AgentRig.up({}, (controller) => {
      controller.pools = [poolSettings({ pauseBudgetMs: 300 })];
    });
    await running(rig);
    await ticks(rig);
    rig.source.tell(100, [gpu[0]]);
    const step = await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1")).toEqual(["running", "paused", "vacating", "released"]);
    expect(step).toMatchObject({ mover: "budget", end: { exitCode: 85 } });
  });

  it("freezes and vacates at once for an owner who works, where the pool's first rung is vacate", async () => {
    await using rig = await AgentRig.up({}, (controller) => {
      controller.pools = [poolSettings({ firstRung: Rung.VACATE })];
    });
    await running(rig);
    await ticks(rig);
    rig.source.tell(100, [gpu[0]]);
    const step = await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1")).toEqual(["running", "paused", "vacating", "released"]);
    expect(step).toMatchObject({ mover: "activity", end: { exitCode: 85 } });
  });

  it("kills from the pause, without a thaw, where the pool's owner wants it so", async () => {
    await using rig = await AgentRig.up({}, (controller) => {
      controller.pools = [poolSettings({ pauseBudgetMs: 300, vacateFromPause: VacateFromPause.KILL })];
    });
    await running(rig);
    await ticks(rig);
    rig.source.tell(100, [gpu[0]]);
    await rig.controller.reached("g1:1", "paused");
    const standing = readFileSync(rig.checkpointFile("g1", "ticks"), "utf8").length;
    const step = await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1")).toEqual(["running", "paused", "killing", "released"]);
    expect(step.end?.exitSignal).toBe("SIGKILL");
    expect(readFileSync(rig.checkpointFile("g1", "ticks"), "utf8").length).toBe(standing);
  });

  it("pauses a whole gang when the owner of one of its devices comes back", async () => {
    await using rig = await AgentRig.up();
    rig.controller.start({ guestId: "g1", command: ticking, devices: [...gpu], number: 1 });
    await rig.controller.reached("g1:1", "running");
    rig.source.tell(5, [gpu[1]]);
    expect(await rig.controller.reached("g1:1", "paused")).toMatchObject({
      mover: "activity",
      devices: [...gpu],
    });
    rig.source.tell(0, [gpu[0]]);
    const resume = rig.controller.command("resume", "g1:1", {});
    expect((await rig.controller.result(resume)).outcome).toBe("COMMAND_OUTCOME_OWNER_FIRST");
  });

  it("I6: pauses a guest whose device telemetry has fallen silent", async () => {
    const settings = { ...testSettings, telemetry: { ...testSettings.telemetry, staleMs: 500 } };
    await using rig = await AgentRig.up({ settings });
    rig.source.tell(0);
    await running(rig);
    expect(await rig.controller.reached("g1:1", "paused")).toMatchObject({ mover: "activity" });
  });

  it("I11: keeps the newest output within the limit, and says how much it dropped", async () => {
    await using rig = await AgentRig.up();
    const command = sh(
      "i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done; echo the end; sleep 1000",
    );
    await running(rig, command);
    let printed = 0;
    for (let i = 0; i < 20_000; i++) printed += `line-${i}\n`.length;
    printed += "the end\n".length;
    const chunks = () => rig.controller.all("logChunk");
    const text = () => Buffer.concat(chunks().map(({ data }) => data)).toString();
    const read = { requestId: 1, guestId: "g1", attempt: 0, tailBytes: 0, follow: true, cancel: false };
    rig.controller.send({ $case: "readLog", value: read });
    await rig.controller.until(() => text().endsWith("the end\n"));
    const dropped = chunks().reduce((sum, { droppedBytes }) => sum + droppedBytes, 0);
    expect(dropped + Buffer.byteLength(text())).toBe(printed);

    await fileSays(`${rig.dir}/agent/guests/g1/1/log.dropped`);
    rig.controller.received.length = 0;
    rig.controller.send({ $case: "readLog", value: { ...read, requestId: 2, follow: false } });
    await rig.controller.until(() => chunks().some(({ last }) => last));
    expect(chunks().every(({ requestId, attempt }) => requestId === 2 && attempt === 1)).toBe(true);
    expect(text().endsWith("the end\n")).toBe(true);
    expect(Buffer.byteLength(text())).toBeLessThanOrEqual(64 * 1024);
    expect(chunks()[0]!.droppedBytes + Buffer.byteLength(text())).toBe(printed);

    rig.controller.send({
      $case: "readLog",
      value: { ...read, requestId: 3, guestId: "nobody", follow: false },
    });
    await rig.controller.until(() => chunks().some(({ requestId, last }) => requestId === 3 && last));
    expect(chunks().at(-1)?.detail).toContain("none is kept");
  });
});
