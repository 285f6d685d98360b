import type { Sample } from "./device.ts";
import type { OwnerView } from "./idleness.ts";

/** What a device's memory has to come back to, and since when. */
export interface MemoryClaim {
  /** Used before the first guest came, MiB. */
  readonly beforeMib: number;
  /** When the last guest's end was heard of; null: one is there. */
  readonly endedAtMs: number | null;
}

export interface MemoryRules {
  /** Above the memory of before this much counts as noise. */
  readonly memoryToleranceMib: number;
  /** An idle device whose memory is not free this long after the end is out of order. */
  readonly memoryProofMs: number;
  /** Sources read the device up to this long before they are asked. */
  readonly sampleIntervalMs: number;
}

export type MemoryVerdict =
  /** Nothing is known yet. */
  | { readonly word: "open" }
  | { readonly word: "proven" }
  /** The owner has worked since: what the memory holds is explained by that. */
  | { readonly word: "owners" }
  | { readonly word: "unproven"; readonly reason: string };

const open: MemoryVerdict = { word: "open" };

/**
 * What a sample proves of the memory that guests held, on a source whose readings count theirs in. A reading that may be
 * older than the end proves nothing, neither of the memory nor of the owner: a guest's last work looks like an owner's.
 */
export function judgeMemory(
  { beforeMib, endedAtMs }: MemoryClaim,
  { atMs, memoryUsedMib }: Pick<Sample, "atMs" | "memoryUsedMib">,
  owner: OwnerView,
  { memoryToleranceMib, memoryProofMs, sampleIntervalMs }: MemoryRules,
): MemoryVerdict {
  if (endedAtMs === null || atMs <= endedAtMs + sampleIntervalMs) return open;
  // Memory that moves by itself may be what a guest left behind.
  if (owner.state === "busy" && owner.reason !== "memory_step") return { word: "owners" };
  if (owner.state === "unknown") return open;
  const isRead = memoryUsedMib !== null && memoryUsedMib >= 0;
  if (isRead && memoryUsedMib <= beforeMib + memoryToleranceMib) return { word: "proven" };
  if (atMs < endedAtMs + memoryProofMs) return open;
  const now = isRead ? `${Math.round(memoryUsedMib)} MiB are used` : "its memory cannot be read";
  const before = `${Math.round(beforeMib)} MiB were before it came (${memoryToleranceMib} MiB more are let pass)`;
  const agoS = Math.round((atMs - endedAtMs) / 1_000);
  return { word: "unproven", reason: `${agoS} s after the last guest's end ${now}; ${before}` };
}
