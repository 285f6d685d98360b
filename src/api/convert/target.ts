import type { Hold, Target } from "../../core/target.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type * as wire from "../../gen/gleaner/v1/owners.ts";
import { dateOrUnset, msOrNull } from "./numbers.ts";

export function targetToProto(target: Target): wire.Target {
  switch (target.kind) {
    case "devices":
      return { scope: { $case: "devices", value: { uuids: [...target.uuids] } } };
    case "pool":
      return { scope: { $case: "pool", value: { pool: target.pool, devices: target.devices } } };
    case "fleet":
      return { scope: { $case: "fleet", value: {} } };
  }
}

/** Throws INVALID_FIELD where no scope is given: nothing is ever taken back or held by omission. */
export function targetFromProto(message: wire.Target | undefined, field = "target"): Target {
  const scope = message?.scope;
  switch (scope?.$case) {
    case "devices":
      return { kind: "devices", uuids: scope.value.uuids };
    case "pool":
      return { kind: "pool", ...scope.value };
    case "fleet":
      return { kind: "fleet" };
    case undefined:
      throw new GleanerError("INVALID_FIELD", {
        field,
        problem: "missing; name devices, a pool or the fleet",
      });
  }
}

export function holdToProto(hold: Hold): wire.HoldEntry {
  return {
    id: hold.id,
    target: targetToProto(hold.target),
    reason: hold.reason,
    createdAt: new Date(hold.createdAtMs),
    expiresAt: dateOrUnset(hold.expiresAtMs),
  };
}

export function holdFromProto(message: wire.HoldEntry): Hold {
  return {
    id: message.id,
    target: targetFromProto(message.target, "hold.target"),
    reason: message.reason,
    createdAtMs: msOrNull(message.createdAt) ?? 0,
    expiresAtMs: msOrNull(message.expiresAt),
  };
}
