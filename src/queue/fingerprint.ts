import { hash } from "node:crypto";
import type { GuestSpec } from "../core/guest.ts";

/** Equal for specifications that mean the same; the order of keys in maps does not count. */
export function fingerprintOf(spec: GuestSpec): string {
  return hash("sha256", JSON.stringify(spec, withSortedKeys), "base64url");
}

function withSortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
