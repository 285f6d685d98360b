/** A whole number for the wire's unsigned fields; clocks give fractions of a millisecond. */
export function whole(value: number): number {
  return Math.max(0, Math.round(value));
}

export function dateOrUnset(atMs: number | null): Date | undefined {
  return atMs === null ? undefined : new Date(atMs);
}

export function msOrNull(date: Date | undefined): number | null {
  return date === undefined ? null : date.getTime();
}
