import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkBusyRequest, checkPolicy } from "../../src/api/check/owner-requests.ts";
import { checkSpec } from "../../src/api/check/spec.ts";
import { specToProto } from "../../src/api/convert/guest.ts";
import { assertSafeListen } from "../../src/api/safe-listen.ts";
import { parseSettings } from "../../src/config/settings.ts";
import { GuestSpec } from "../../src/gen/gleaner/v1/guests.ts";
import { BusyRequest, Policy } from "../../src/gen/gleaner/v1/owners.ts";
import { arbitrarySpec } from "../support/arbitraries.ts";

const settings = parseSettings({ guest: { priority: 7, retries: 2 } }, "test");
const nowMs = 1_990_000_000_000;
const check = (spec: GuestSpec) => checkSpec(spec, "spec", settings.guest, nowMs);

describe("checkSpec", () => {
  it("takes every specification that keeps the rules, and changes nothing of it", () => {
    fc.assert(
      fc.property(arbitrarySpec, (spec) => {
        expect(check(specToProto(spec))).toEqual(spec);
      }),
    );
  });

  it("fills in what is left out from the settings", () => {
    const process = { command: ["true"], env: {}, workingDir: "" };
    const spec = check(
      GuestSpec.create({ tenant: "research", workload: { $case: "process", value: process } }),
    );
    expect(spec).toEqual({
      tenant: "research",
      name: "",
      kind: "batch",
      workload: { kind: "process", ...process },
      shape: { devices: 1, sharePermille: 1000, memoryMib: null, model: "", pools: [] },
      priority: 7,
      checkpointIntervalMs: null,
      startMs: 30_000,
      noticeMs: 10_000,
      durationHintMs: null,
      retries: 2,
      evictionsMax: 1_000,
      notBeforeMs: null,
      trustGroup: "research",
      labels: {},
    });
  });

  it("keeps an explicit 0 apart from a number left out", () => {
    const process = { command: ["true"], env: {}, workingDir: "" };
    const spec = check(
      GuestSpec.create({
        tenant: "a",
        workload: { $case: "process", value: process },
        priority: 0,
        startMs: 0,
        retries: 0,
      }),
    );
    expect(spec).toMatchObject({ priority: 0, startMs: 0, retries: 0 });
  });

  it("counts the bytes of a command, not its characters", () => {
    const value = { command: ["run", "ü".repeat(40_000)], env: {}, workingDir: "" };
    expect(() => check(GuestSpec.create({ tenant: "a", workload: { $case: "process", value } }))).toThrow(
      "spec.process.command: 80,005 bytes; at most 65,536 are taken",
    );
  });

  it("never echoes a long or unprintable value in full", () => {
    const tenant = `\u001b[31m${"x".repeat(10_000)}`;
    expect(() => check(GuestSpec.create({ tenant }))).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^[\x20-\x7e–…]{1,300}$/) }),
    );
  });
});

describe("owners' requests", () => {
  it("a policy that names only its pool is the default policy", () => {
    expect(checkPolicy(Policy.create({ pool: "train" }), settings)).toMatchObject({
      pool: "train",
      mode: "observe",
      lentShareMax: 1,
      recallDeadlineMs: 30_000,
      pauseBudgetMs: 600_000,
      firstRung: "pause",
    });
  });

  it("a policy may set a number to 0 on purpose", () => {
    const policy = checkPolicy(
      Policy.create({ pool: "train", lentShareMax: 0, pauseBudgetMs: 0, idleMsMin: 0 }),
      settings,
    );
    expect(policy).toMatchObject({ lentShareMax: 0, pauseBudgetMs: 0, idleMsMin: 0 });
  });

  it("a hint without a time to live gets the settings' own", () => {
    const request = BusyRequest.create({ target: { scope: { $case: "fleet", value: {} } } });
    expect(checkBusyRequest(request, settings)).toEqual({
      target: { kind: "fleet" },
      ttlMs: 60_000,
      reason: "",
    });
  });
});

describe("assertSafeListen", () => {
  it.each([
    "127.0.0.1:7070",
    "127.8.9.1:0",
    "[::1]:7070",
    "localhost:7070",
    "[::ffff:127.0.0.1]:7070",
    "unix:/run/gleaner.sock",
  ])("takes %s, which only this machine can reach", async (address) => {
    await expect(assertSafeListen(address)).resolves.toBeUndefined();
  });

  it.each([
    "0.0.0.0:7070",
    "[::]:7070",
    "10.0.0.1:7070",
    "[2001:db8::1]:7070",
    "[::ffff:10.0.0.1]:7070",
    "[fe80::1%eth0]:7070",
    "0:7070",
  ])("refuses %s", async (address) => {
    await expect(assertSafeListen(address)).rejects.toMatchObject({ code: "INSECURE_LISTEN" });
  });

  it.each(["nohost.invalid:7070", "127.0.0.1", "127.0.0.1:70000", ":7070", ""])(
    "says that %j is no address",
    async (address) => {
      await expect(assertSafeListen(address)).rejects.toMatchObject({ code: "LISTEN_FAILED" });
    },
  );
});
