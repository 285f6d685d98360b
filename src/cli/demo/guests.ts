import type { SubmitRequest } from "../../gen/gleaner/v1/guests.ts";
import { submissionsOf, type GuestEntry } from "../guest-file.ts";

const train = new URL("../../../examples/train.mjs", import.meta.url).pathname;
const stepMs = 250;

interface Kind {
  readonly count: number;
  /** From the first to the last guest of the kind. */
  readonly workS: readonly [number, number];
  readonly entry: Partial<GuestEntry> & { readonly tenant: string };
}

/** Three tenants with work of different lengths; a few take half a device each, one needs two devices at once. */
const kinds: readonly Kind[] = [
  { count: 11, workS: [15, 60], entry: { tenant: "science", name: "sweep" } },
  { count: 1, workS: [12, 12], entry: { tenant: "science", name: "pair", devices: 2 } },
  { count: 12, workS: [4, 14], entry: { tenant: "vision", name: "label" } },
  { count: 6, workS: [6, 10], entry: { tenant: "vision", name: "half", share: 0.5 } },
  { count: 10, workS: [8, 24], entry: { tenant: "speech", name: "align", priority: 60 } },
];

/** 40 guests: real processes that compute, write checkpoints and go on from them. */
export function demoGuests(): SubmitRequest[] {
  return kinds.flatMap(({ count, workS: [least, most], entry }) =>
    Array.from({ length: count }, (_, index) => {
      const workS = least + ((most - least) * index) / Math.max(1, count - 1);
      const steps = Math.round((workS * 1_000) / stepMs);
      return submissionsOf(
        {
          ...entry,
          name: `${entry.name}-${index + 1}`,
          key: `demo-${entry.tenant}-${entry.name}-${index + 1}`,
          command: [process.execPath, train, "--steps", steps, "--step-ms", stepMs],
          durationHint: `${Math.round(workS)}s`,
          retries: 1,
        },
        "demo",
      );
    }).flat(),
  );
}
