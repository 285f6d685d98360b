import type { Hold, Target } from "../core/target.ts";
import type { Colors } from "./cli.ts";
import { table } from "./table.ts";

export function holdTable(paint: Colors, holds: readonly Hold[]): string {
  return table(
    paint,
    ["ID", "ON", "UNTIL", "REASON"],
    holds.map((hold) => [
      hold.id,
      targetInWords(hold.target),
      hold.expiresAtMs === null ? "unhold" : new Date(hold.expiresAtMs).toISOString(),
      hold.reason || "-",
    ]),
  );
}

export function targetInWords(target: Target): string {
  switch (target.kind) {
    case "devices":
      return target.uuids.join(" ");
    case "pool":
      return target.devices === 0 ? `pool ${target.pool}` : `${target.devices} of pool ${target.pool}`;
    case "fleet":
      return "the fleet";
  }
}
