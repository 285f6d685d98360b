import { hash, randomFillSync } from "node:crypto";
import type { GuestSpec, Shape } from "../core/guest.ts";

/**
 * Guests of one tenant, shape and priority, oldest first: within a lane there is nothing to choose, so a first-in
 * first-out queue holds it; which lane is next the matcher decides.
 */
export interface Lane {
  /** 10 characters of base32: name of the BullMQ queue and beginning of its guests' ids. */
  readonly id: string;
  readonly tenant: string;
  readonly priority: number;
  /** As JSON, in a form in which equal lanes are equal strings. */
  readonly descriptor: string;
}

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
const laneLength = 10;
const uniqueLength = 12;
const guestIdForm = /^[a-z2-7]{10}-[a-z2-7]{12}$/;

/** Submissions of one lane come in numbers. */
const recent = new Map<string, Lane>();
const recentMax = 1_000;

export function laneOf(spec: GuestSpec): Lane {
  const descriptor = JSON.stringify([spec.tenant, spec.priority, shapeParts(spec.shape)]);
  let lane = recent.get(descriptor);
  if (lane === undefined) {
    if (recent.size === recentMax) recent.clear();
    const id = base32(hash("sha256", descriptor, "buffer").subarray(0, laneLength));
    lane = { id, tenant: spec.tenant, priority: spec.priority, descriptor };
    recent.set(descriptor, lane);
  }
  return lane;
}

export function laneFromDescriptor(id: string, descriptor: string): Lane {
  const [tenant, priority] = JSON.parse(descriptor) as [string, number, unknown];
  return { id, tenant, priority, descriptor };
}

/** Names the lane, so that a guest is found by its id alone. */
export function newGuestId(lane: Lane): string {
  return `${lane.id}-${base32(nextRandom())}`;
}

export function isGuestId(text: string): boolean {
  return guestIdForm.test(text);
}

export function laneIdOf(guestId: string): string {
  return guestId.slice(0, laneLength);
}

function shapeParts({ devices, sharePermille, memoryMib, model, pools }: Shape): unknown[] {
  return [devices, sharePermille, memoryMib, model, pools.toSorted()];
}

/** Asking the system for every id costs more than the id. */
const pool = new Uint8Array(uniqueLength * 256);
let used = pool.length;

function nextRandom(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += uniqueLength;
  return pool.subarray(used - uniqueLength, used);
}

/** 5 bits of each byte. */
function base32(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += alphabet.charAt(byte & 31);
  return text;
}
