import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  guestFromProto,
  guestKinds,
  guestStates,
  guestToProto,
  specFromProto,
  specToProto,
} from "../../src/api/convert/guest.ts";
import {
  commandOutcomes,
  grantFromProto,
  grantToProto,
  leaseStates,
  leaseStepFromProto,
  leaseStepToProto,
  movers,
  type LeaseStep,
} from "../../src/api/convert/lease.ts";
import {
  agentPolicyFromProto,
  agentPolicyToProto,
  lendModes,
  policyFromProto,
  policyToProto,
  returnSignals,
  rungs,
  vacateFromPauseWays,
} from "../../src/api/convert/policy.ts";
import {
  localRecallFromProto,
  localRecallToProto,
  recallOrderFromProto,
  recallOrderToProto,
  recallStages,
} from "../../src/api/convert/recall.ts";
import {
  categoryWords,
  decisionFromProto,
  decisionToProto,
  fleetFromProto,
  fleetToProto,
  reportFromProto,
  reportToProto,
} from "../../src/api/convert/report.ts";
import {
  attributions,
  deviceFromProto,
  deviceToProto,
  sampleFromProto,
  sampleToProto,
} from "../../src/api/convert/sample.ts";
import { holdFromProto, holdToProto } from "../../src/api/convert/target.ts";
import type { WordMap } from "../../src/api/convert/words.ts";
import type { Sample } from "../../src/core/device.ts";
import type { PoolPolicy } from "../../src/core/policy.ts";
import type { Hold, Target } from "../../src/core/target.ts";
import * as agents from "../../src/gen/gleaner/v1/agents.ts";
import * as guests from "../../src/gen/gleaner/v1/guests.ts";
import * as owners from "../../src/gen/gleaner/v1/owners.ts";
import * as reports from "../../src/gen/gleaner/v1/reports.ts";
import { arbitrarySpec } from "../support/arbitraries.ts";
import { sampleGuest, sampleReport } from "../support/api-desks.ts";

/** Through the bytes, as between two processes. */
function sent<Message>(codec: agents.MessageFns<Message>, message: Message): Message {
  return codec.decode(codec.encode(message).finish());
}

describe("what crosses the wire comes back the same", () => {
  it("any specification", () => {
    fc.assert(
      fc.property(arbitrarySpec, (spec) => {
        expect(specFromProto(sent(guests.GuestSpec, specToProto(spec)))).toEqual(spec);
      }),
    );
  });

  it("a guest that ran and one that waits", () => {
    const ended = {
      ...sampleGuest,
      state: "failed" as const,
      exitCode: 0,
      endedAtMs: 1_800_000_001_234,
      devices: ["GPU-1", "GPU-2"],
    };
    for (const guest of [sampleGuest, ended])
      expect(guestFromProto(sent(guests.Guest, guestToProto(guest)))).toEqual(guest);
  });

  it("missing telemetry, which stays missing and never becomes 0", () => {
    const sample: Sample = {
      device: "GPU-1",
      atMs: 9_000,
      attribution: "device",
      utilPct: null,
      engineActiveRatio: null,
      memoryUsedMib: null,
      memoryFreeMib: null,
      ownerProcesses: null,
      pod: null,
    };
    const measured = { ...sample, utilPct: 0, engineActiveRatio: 0.5, ownerProcesses: 0, pod: "ml/train-0" };
    for (const each of [sample, measured])
      expect(sampleFromProto(sent(agents.DeviceSample, sampleToProto(each, 10_000)), 10_000)).toEqual(each);
  });

  it("the age of a sample between clocks that do not agree", () => {
    const message = sampleToProto(
      {
        ...sampleFromProto(agents.DeviceSample.create({ attribution: "ATTRIBUTION_OWNER" }), 0),
        atMs: 9_000,
      },
      10_500,
    );
    expect(sampleFromProto(message, 500_000).atMs).toBe(498_500);
  });

  it("a device whose memory is not known", () => {
    const device = {
      uuid: "MIG-1",
      host: "node-1",
      pool: "train",
      model: "H100",
      index: 3,
      memoryTotalMib: null,
    };
    expect(deviceFromProto(sent(agents.DeviceDescription, deviceToProto(device)), "node-1")).toEqual(device);
  });

  it("a step that runs and a step that ended", () => {
    const running: LeaseStep = {
      leaseId: "g-1:2",
      token: { generation: 3, number: 17 },
      step: 4,
      state: "paused",
      atMs: 900.5,
      mover: "activity",
      detail: "util_above_zero",
      signalToStepMs: 3.25,
      recallId: "",
      devices: ["GPU-1"],
      end: null,
    };
    const killed: LeaseStep = {
      ...running,
      state: "released",
      signalToStepMs: null,
      end: { exitCode: null, exitSignal: "SIGKILL", checkpointAgeMs: null, workedMs: 12.5, vacateMs: 0 },
    };
    for (const step of [running, killed])
      expect(
        leaseStepFromProto(sent(agents.LeaseReport, leaseStepToProto(step, 1_000.25)), 1_000.25),
      ).toEqual(step);
  });

  it("every share that the core can express", () => {
    for (let sharePermille = 1; sharePermille <= 1000; sharePermille++) {
      const grant = { device: "GPU-1", sharePermille, memoryMib: 81_559 };
      expect(grantFromProto(sent(agents.Grant, grantToProto(grant)))).toEqual(grant);
    }
  });

  it("a policy, whole and the agent's part of it", () => {
    const policy: PoolPolicy = {
      pool: "train",
      owner: "vision",
      mode: "lend",
      lentShareMax: 0,
      windows: [{ weekdays: [0, 6], startMinute: 1_320, endMinute: 360, timeZone: "Europe/Berlin" }],
      meetingsPerGpuDayMax: null,
      waitedShareMax: 0.05,
      recallDeadlineMs: 30_000,
      pauseBudgetMs: 0,
      firstRung: "vacate",
      vacateFromPause: "kill",
      returnSignal: "call",
      reserveMemoryMib: 1_024,
      idleMsMin: 0,
    };
    expect(policyFromProto(sent(owners.Policy, policyToProto(policy)))).toEqual(policy);
    const part = agentPolicyFromProto(sent(agents.PoolSettings, agentPolicyToProto(policy)));
    expect(policy).toMatchObject(part);
    expect(part).not.toHaveProperty("owner");
  });

  it("holds, recalls and their targets", () => {
    const targets: Target[] = [
      { kind: "devices", uuids: ["GPU-1", "MIG-2"] },
      { kind: "pool", pool: "train", devices: 3 },
      { kind: "fleet" },
    ];
    for (const target of targets) {
      const hold: Hold = { id: "h-1", target, reason: "maintenance", createdAtMs: 5, expiresAtMs: null };
      expect(holdFromProto(sent(owners.HoldEntry, holdToProto(hold)))).toEqual(hold);
      for (const order of [
        { target, deadlineMs: null, firstRung: null, reason: "", holdMs: null },
        { target, deadlineMs: 5_000, firstRung: "kill" as const, reason: "mine", holdMs: 0 },
      ])
        expect(recallOrderFromProto(sent(owners.RecallRequest, recallOrderToProto(order)))).toEqual(order);
    }
    const step = {
      recallId: "r-1",
      device: "GPU-1",
      stage: "deadline_missed" as const,
      atMs: 75,
      elapsedMs: 5_000.5,
      deadlineMs: 5_000,
      reason: "mine",
      leaseId: "",
      holdMs: 60_000,
    };
    expect(localRecallFromProto(sent(agents.RecallReport, localRecallToProto(step, 100)), 100)).toEqual(step);
  });

  it("a report, the fleet and a decision", () => {
    const decision = {
      atMs: 1_800_000_000_000,
      kind: "lend",
      device: "GPU-1",
      guestId: "g-1",
      leaseId: "g-1:1",
      reasonCode: "best_fit",
      reason: "The window fits.",
      forecastHash: "c0ffee",
    };
    expect(decisionFromProto(sent(reports.DecisionEntry, decisionToProto(decision)))).toEqual(decision);
    expect(reportFromProto(sent(reports.GetReportResponse, reportToProto(sampleReport)))).toEqual(
      sampleReport,
    );
    const lease = {
      leaseId: "g-1:1",
      guestId: "g-1",
      tenant: "research",
      state: "running",
      sharePermille: 333,
    };
    const fleet = {
      atMs: 1_800_000_000_000,
      devices: [
        {
          uuid: "GPU-1",
          pool: "train",
          host: "node-1",
          owner: "idle" as const,
          ownerStateAgeMs: 1_500,
          category: "useful" as const,
          reason: "runs",
          leases: [lease],
          staysIdle1Min: 0.75,
        },
      ],
      guestsByState: { running: 1 },
      agents: 1,
      epoch: 2,
    };
    expect(fleetFromProto(sent(reports.WatchFleetResponse, fleetToProto(fleet)))).toEqual(fleet);
  });
});

describe("every value of every enum has its word", () => {
  /** Two-way: each value of the wire has a word, and that word leads back to it. */
  const check =
    <Core extends string, Wire extends string>(
      words: WordMap<Core, Wire>,
      values: Readonly<Record<string, Wire>>,
    ) =>
    () => {
      for (const [key, value] of Object.entries(values)) {
        const word = () => words.fromWire(value, "f");
        if (key === "UNSPECIFIED") {
          expect(words.fromOptional(value, "f")).toBeNull();
          expect(word).toThrow(/f: missing; use one of/);
        } else if (key === "UNRECOGNIZED") expect(word).toThrow(/f: not a value that this version knows/);
        else expect(words.toWire(word())).toBe(value);
      }
    };

  it("GuestKind", check(guestKinds, guests.GuestKind));
  it("GuestState", check(guestStates, guests.GuestState));
  it("LeaseState", check(leaseStates, agents.LeaseState));
  it("Mover", check(movers, agents.Mover));
  it("CommandOutcome", check(commandOutcomes, agents.CommandOutcome));
  it("Attribution", check(attributions, agents.Attribution));
  it("LendMode", check(lendModes, owners.LendMode));
  it("Rung", check(rungs, owners.Rung));
  it("ReturnSignal", check(returnSignals, owners.ReturnSignal));
  it("VacateFromPause", check(vacateFromPauseWays, owners.VacateFromPause));
  it("RecallStage", check(recallStages, owners.RecallStage));
  it("Category", check(categoryWords, reports.Category));
});
