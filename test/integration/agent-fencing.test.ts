import { describe, expect, it } from "vitest";
import { AgentRig, gpu, sh, testSettings } from "../support/agent/agent-rig.ts";

const endless = sh("trap 'exit 85' TERM; while :; do sleep 0.01; done");
const quick = sh("exit 0");
const stale = "COMMAND_OUTCOME_STALE";
const done = "COMMAND_OUTCOME_DONE";

describe("fencing at the agent", () => {
  it("I2: refuses a token that is not newer than the largest seen for the device, also after a restart", async () => {
    await using rig = await AgentRig.up();
    const outcome = async (guestId: string, number: number, device: string = gpu[0]) =>
      (
        await rig.controller.result(
          rig.controller.start({ guestId, command: quick, devices: [device], number }),
        )
      ).outcome;
    expect(await outcome("g1", 5)).toBe(done);
    await rig.controller.reached("g1:1", "released");
    expect(await outcome("g2", 5)).toBe(stale);
    expect(await outcome("g3", 4)).toBe(stale);
    expect(await outcome("g4", 1, gpu[1])).toBe(done);

    await rig.restartAgent();
    const tokens = rig.controller.all("hello").at(-1)!.tokens;
    expect(tokens).toContainEqual({ device: gpu[0], token: { generation: 1, number: 5 } });
    expect(await outcome("g5", 5)).toBe(stale);
    rig.controller.generation = 2;
    expect(await outcome("g6", 1)).toBe(done);
  });

  it("I2: refuses to lend for a leader that is not the newest it has heard of, also after a restart", async () => {
    await using rig = await AgentRig.up({}, (controller) => {
      controller.epoch = 7;
    });
    const start = async (guestId: string, number: number, epoch: number) =>
      rig.controller.result(
        rig.controller.start({ guestId, command: endless, devices: [gpu[0]], number, epoch }),
      );
    expect((await start("g1", 1, 6)).outcome).toBe(stale);
    rig.controller.epoch = 6;
    await rig.restartAgent();
    expect(rig.controller.all("hello").at(-1)!.newestLeader).toMatchObject({ generation: 1, epoch: 7 });
    expect((await start("g2", 2, 6)).outcome).toBe(stale);
    // Whatever it says: it is not the newest.
    expect((await start("g2", 2, 7)).outcome).toBe(stale);
    rig.controller.epoch = 7;
    await rig.restartAgent();
    expect((await start("g3", 3, 7)).outcome).toBe(done);
    await rig.controller.reached("g3:1", "running");
    rig.controller.command("pause", "g3:1", { demand: undefined }, 6);
    await rig.controller.reached("g3:1", "paused");
    const resume = rig.controller.command("resume", "g3:1", {}, 6);
    expect((await rig.controller.result(resume)).outcome).toBe(stale);
  });

  it("I2: starts no lease while an earlier one of its name is not over, as after a Redis that came back older", async () => {
    await using rig = await AgentRig.up();
    const start = async (device: string, number: number) =>
      rig.controller.result(
        rig.controller.start({ guestId: "g1", command: endless, devices: [device], number }),
      );
    expect((await start(gpu[0], 5)).outcome).toBe(done);
    await rig.controller.reached("g1:1", "running");
    const refused = await start(gpu[1], 6);
    expect(refused.outcome).toBe("COMMAND_OUTCOME_HOST_FAILED");
    expect(refused.detail).toContain("an earlier lease of this name is running here");
  });

  it("I0: takes back for any leader, old or new", async () => {
    await using rig = await AgentRig.up({}, (controller) => {
      controller.epoch = 7;
    });
    rig.controller.start({ guestId: "g1", command: endless, devices: [gpu[0]], number: 1 });
    await rig.controller.reached("g1:1", "running");
    rig.controller.command("kill", "g1:1", { demand: undefined, reason: "an old leader" }, 1);
    expect((await rig.controller.reached("g1:1", "released")).end?.exitSignal).toBe("SIGKILL");
  });

  it("carries a command out once, however often it comes", async () => {
    await using rig = await AgentRig.up();
    const wish = { guestId: "g1", command: endless, devices: [gpu[0]], number: 1 };
    const results = [1, 2].map(() => rig.controller.result(rig.controller.start(wish)));
    expect((await Promise.all(results)).map(({ outcome }) => outcome)).toEqual([done, done]);
    await rig.controller.reached("g1:1", "running");
    const vacate = { noticeMs: 2_000, demand: undefined, reason: "a test", early: false };
    for (const _ of [1, 2]) rig.controller.command("vacate", "g1:1", vacate);
    await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1")).toEqual(["running", "vacating", "released"]);
    const late = rig.controller.command("kill", "g9:1", { demand: undefined, reason: "a test" });
    expect((await rig.controller.result(late)).outcome).toBe("COMMAND_OUTCOME_UNKNOWN_LEASE");
  });

  it("I5: vacates by itself when its terms run out because the controller is gone", async () => {
    const settings = { ...testSettings, terms: { termMs: 700, renewIntervalMs: 100, driftMs: 20 } };
    await using rig = await AgentRig.up({ settings }, (controller) => {
      controller.termMs = 700;
      controller.renewIntervalMs = 100;
    });
    rig.controller.start({ guestId: "g1", command: endless, devices: [gpu[0]], number: 1 });
    await rig.controller.reached("g1:1", "running");
    // Beyond its first term it lives by renewals alone.
    await rig.controller.until(() => rig.controller.all("renewTerms").length >= 12);
    expect(rig.controller.states("g1:1")).toEqual(["running"]);

    const { address } = rig.controller;
    rig.controller.vanish();
    const vanishedAtMs = performance.now();
    await rig.processesEnded("g1");
    expect(performance.now() - vanishedAtMs).toBeLessThan(700 + 1_000);
    await rig.controller.listen(address);
    expect(await rig.controller.reached("g1:1", "released")).toMatchObject({
      mover: "term",
      end: { exitCode: 85 },
    });
  });

  it("vacates a lease that the controller's books do not renew", async () => {
    await using rig = await AgentRig.up({}, (controller) => {
      controller.renewIntervalMs = 100;
    });
    rig.controller.start({ guestId: "g1", command: endless, devices: [gpu[0]], number: 1 });
    await rig.controller.reached("g1:1", "running");
    rig.controller.forgets = ["g1:1"];
    const step = await rig.controller.reached("g1:1", "vacating");
    expect(step).toMatchObject({ mover: "controller", detail: "not in the books" });
  });
});
