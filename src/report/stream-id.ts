/** Before every entry of a stream. */
export const noId = "0-0";

/** Redis stream ids, `ms-sequence`: both halves are numbers, and 10-0 is newer than 9-0. */
export function compareIds(a: string, b: string): number {
  const [aMs = 0, aSequence = 0] = a.split("-").map(Number);
  const [bMs = 0, bSequence = 0] = b.split("-").map(Number);
  return aMs - bMs || aSequence - bSequence;
}
