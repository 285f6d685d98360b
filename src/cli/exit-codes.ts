import type { StatusName } from "../errors/catalogue.ts";

/** What the shell sees. `gleaner --help` and docs/cli.md list them. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  badInput: 2,
  unreachable: 3,
  notFound: 4,
  refused: 5,
  deadlineMissed: 6,
  interrupted: 130,
} as const;

export const exitCodeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: "done",
  failed: "it was tried and failed: a guest that was waited for failed, a check did not hold, a defect",
  badInput: "bad usage, bad input or bad settings; nothing was changed",
  unreachable: "the controller, an agent or Redis does not answer",
  notFound: "no such guest, device, pool, hold or log",
  refused: "refused as things stand: a full queue, a key used before, a setting that forbids it",
  deadlineMissed: "a recall missed its deadline",
  interrupted: "interrupted by Ctrl-C",
};

const codeOfStatus: Readonly<Record<StatusName, number>> = {
  INVALID_ARGUMENT: exitCodes.badInput,
  NOT_FOUND: exitCodes.notFound,
  ALREADY_EXISTS: exitCodes.refused,
  FAILED_PRECONDITION: exitCodes.refused,
  RESOURCE_EXHAUSTED: exitCodes.refused,
  ABORTED: exitCodes.refused,
  UNIMPLEMENTED: exitCodes.refused,
  UNAVAILABLE: exitCodes.unreachable,
  DEADLINE_EXCEEDED: exitCodes.unreachable,
  INTERNAL: exitCodes.failed,
};

export function exitCodeOf(status: StatusName): number {
  return codeOfStatus[status];
}
