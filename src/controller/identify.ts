import { createHash } from "node:crypto";

/** Names a hold or hint by what it is, so that the same again renews it. */
export function identify(...parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 12);
}
