import { describe, expect, it } from "vitest";
import { AgentRig, fileSays, gpu, sh } from "../support/agent/agent-rig.ts";

describe("the life of a guest on an agent", () => {
  it("starts a guest, runs it and reports its exit 0 with a proven hand-back", async () => {
    await using rig = await AgentRig.up();
    rig.controller.start({ guestId: "g1", command: sh("exit 0"), devices: [gpu[0]], number: 1 });
    const step = await rig.controller.reached("g1:1", "released");
    expect(rig.controller.states("g1:1").at(0)).toBe("running");
    expect(step).toMatchObject({ mover: "guest", devices: [gpu[0]], end: { exitCode: 0, exitSignal: "" } });
  });
});
