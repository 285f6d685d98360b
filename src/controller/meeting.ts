import type { Lease, Mover } from "../core/lease.ts";

/** Whether this step of a lease is an owner's return that found its guest at work. */
export function isMeeting(before: Pick<Lease, "state">, mover: Mover): boolean {
  const worked = before.state === "starting" || before.state === "running";
  return worked && isByOwner(mover);
}

/** The owner's activity, or their word. */
export function isByOwner(mover: Mover): boolean {
  return mover === "activity" || mover === "owner";
}
