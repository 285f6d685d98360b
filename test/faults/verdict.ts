import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import type { GetReportResponse } from "../../src/gen/gleaner/v1/reports.ts";
import type { OracleLine } from "./oracle.ts";
import { deadlineMs } from "./parts/stack.ts";
import type { Play, RoundResult } from "./round.ts";

/** What must not be, by kind. */
export interface Violation {
  readonly kind: "lost" | "doubled" | "late" | "not at rest" | "books" | "not healed";
  readonly detail: string;
}

/** For the answer's way back, and the processor that many share. */
const slackMs = 150;
/** A guest that is thawed to hear its notice may tick once more before it hears. */
const thawMs = 150;

export function judgeGuest(
  { guest, finalState, device, stuckBecause }: Play,
  lines: readonly OracleLine[],
): Violation[] {
  const ends = lines.filter((line) => line.guest === guest && line.what === "end").length;
  if (guest === "") return [{ kind: "not healed", detail: `no guest could be submitted for ${device}` }];
  if (finalState === null) return [{ kind: "lost", detail: `${guest} is unknown to the queue` }];
  const state = finalState.replace("GUEST_STATE_", "");
  if (finalState === GuestState.FAILED || finalState === GuestState.CANCELLED)
    return [{ kind: "lost", detail: `${guest} is ${state}` }];
  if (finalState !== GuestState.SUCCEEDED)
    return [{ kind: "not healed", detail: `${guest} is still ${state} on ${device}: ${stuckBecause}` }];
  if (ends === 0) return [{ kind: "lost", detail: `${guest} is ${state} and never ended` }];
  return ends === 1 ? [] : [{ kind: "doubled", detail: `${guest} ended ${ends} times` }];
}

/**
 * An owner must have the device within the deadline, and have it for itself once that was said. `stalledMs`: for so long the
 * machine did not run the judge either.
 */
export function judgeRecall(
  { served, device }: Play,
  lines: readonly OracleLine[],
  { doneAtMs, stalledMs }: Pick<RoundResult, "doneAtMs" | "stalledMs">,
): Violation[] {
  if (served === null) return [];
  const allowedMs = deadlineMs + slackMs + stalledMs;
  const { askedAtMs, sentAtMs, computeAtMs, pausedAtMs, releasedAtMs, stages } = served;
  const found: Violation[] = [];
  const say = (kind: Violation["kind"], detail: string) =>
    found.push({ kind, detail: `${device}: ${detail} (${stages.join(" ")})` });
  const inTime = releasedAtMs !== null && releasedAtMs - sentAtMs <= allowedMs;
  if (!inTime) say("late", releasedAtMs === null ? "never said to be released" : "released late");
  const waitMs = (computeAtMs ?? Infinity) - askedAtMs;
  if (inTime && waitMs > allowedMs) say("late", `compute back after ${waitMs.toFixed(0)} ms`);
  const met = attemptsOn(device, lines).filter((attempt) => attempt[0]!.atMs < sentAtMs);
  for (const attempt of met) {
    const { guest, attempt: nth, atMs } = attempt.at(-1)!;
    const goneByMs = Math.min(releasedAtMs ?? Infinity, sentAtMs + allowedMs);
    if (atMs > goneByMs) say("late", `${guest}:${nth} was there ${(atMs - goneByMs).toFixed(0)} ms too long`);
    if (pausedAtMs === null) continue;
    const later = attempt.filter((line) => line.atMs > pausedAtMs);
    const untilMs = Math.min(later.find(({ what }) => what === "term")?.atMs ?? Infinity, doneAtMs) - thawMs;
    const works = later.filter(({ what, atMs }) => what === "tick" && atMs < untilMs);
    if (works.length > 0)
      say("not at rest", `${guest}:${nth} ticked ${works.length} times after it was said to be frozen`);
  }
  return found;
}

/** Every device's amounts sum to the time that its books span, to the µs. */
export function judgeBooks({ balanced, devices }: GetReportResponse): Violation[] {
  const wrong = devices.flatMap(({ device, elapsedUs, amounts, from, to }) => {
    const sumUs = amounts.reduce((sum, { deviceUs }) => sum + deviceUs, 0);
    const spanUs = ((to?.getTime() ?? 0) - (from?.getTime() ?? 0)) * 1_000;
    return sumUs === elapsedUs && spanUs === elapsedUs
      ? []
      : [`${device}: Σ ${sumUs} µs, elapsed ${elapsedUs} µs, from–to ${spanUs} µs`];
  });
  if (!balanced && wrong.length === 0) wrong.push("the report says that it does not balance");
  return wrong.map((detail) => ({ kind: "books", detail }));
}

function attemptsOn(device: string, lines: readonly OracleLine[]): OracleLine[][] {
  const here = lines.filter((line) => line.device === device);
  return [...Map.groupBy(here, ({ guest, attempt, pid }) => `${guest}:${attempt}:${pid}`).values()];
}
