import type { Shape } from "./guest.ts";
import { memoryWanted } from "./placement-gate.ts";
import type { Opportunity, SharedDevice } from "./placement.ts";

/** True: the guest names the device's kind. */
export function isOfKind(shape: Shape, model: string, pool: string): boolean {
  if (shape.model !== "" && shape.model !== model) return false;
  return shape.pools.length === 0 || shape.pools.includes(pool);
}

/** True: the guest's devices, whole or shared, may be taken of this class of free ones, as far as kind and memory go. */
export function canHostWhole(shape: Shape, { window, model, lendableMib }: Opportunity): boolean {
  return isOfKind(shape, model, window.pool.name) && hasMemory(shape, lendableMib, lendableMib);
}

/** True: so much is left beside the guests on it. */
export function hasRoom(shape: Shape, shared: SharedDevice): boolean {
  return (
    shared.freePermille >= shape.sharePermille &&
    isOfKind(shape, shared.model, shared.window.pool.name) &&
    hasMemory(shape, shared.lendableMib, shared.freeMib)
  );
}

function hasMemory(shape: Shape, lendableMib: number | null, freeMib: number | null): boolean {
  const wanted = memoryWanted(shape, lendableMib);
  if (wanted === null) return false;
  // Nothing known of the memory, and nothing asked: the whole device is the guest's.
  if (freeMib === null) return true;
  return freeMib > 0 && wanted <= freeMib && (wanted > 0 || shape.memoryMib !== null);
}
