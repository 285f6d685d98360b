import { compareWaiting, type Claims } from "./claims.ts";
import { laneIdOf } from "./lane.ts";
import type { LaneBook } from "./lane-book.ts";

/**
 * Place of a waiting guest among those of its tenant, from 1. Exact for a claimed one; a guest further back in its lane
 * is told the first place that it can have. 0: it is not known to wait.
 */
export function placeInTenant(id: string, claims: Claims, book: LaneBook): number {
  const laneId = laneIdOf(id);
  const state = claims.state(id);
  const guest = state === "waiting" || state === "held" ? claims.guest(id) : null;
  const lane = book.get(laneId)?.lane ?? null;
  if (guest === null && (state !== null || lane === null)) return 0;
  const tenant = guest?.spec.tenant ?? lane!.tenant;
  const priority = guest?.spec.priority ?? lane!.priority;
  const isBefore = guest === null ? () => true : (other: typeof guest) => compareWaiting(other, guest) < 0;

  let before = 0;
  for (const head of claims.heads())
    if (head.spec.tenant === tenant && head.spec.priority >= priority && isBefore(head)) before += 1;
  for (const backlog of book.lanes())
    if (backlog.lane.tenant === tenant && backlog.lane.priority > priority) before += backlog.unclaimed;
  return before + 1;
}
