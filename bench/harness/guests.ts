import { GuestKind, type SubmitRequest } from "../../src/gen/gleaner/v1/guests.ts";

/** An ordinary submission; five tenants take turns. */
export function submissionOf(i: number): SubmitRequest {
  return {
    spec: {
      tenant: `team-${i % 5}`,
      name: `job-${i}`,
      kind: GuestKind.BATCH,
      workload: {
        $case: "process",
        value: {
          command: ["python", "train.py", "--seed", String(i)],
          env: { RUN: String(i) },
          workingDir: "",
        },
      },
      shape: { devices: 1, share: undefined, memoryMib: undefined, deviceModel: "", pools: [] },
      priority: undefined,
      checkpointIntervalMs: 300_000,
      startMs: undefined,
      noticeMs: undefined,
      durationHintMs: undefined,
      retries: 2,
      evictionsMax: undefined,
      notBefore: undefined,
      trustGroup: "",
      labels: { run: String(i) },
    },
    idempotencyKey: "",
  };
}
