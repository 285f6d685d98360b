import type { Shape } from "../../core/guest.ts";
import type * as wire from "../../gen/gleaner/v1/guests.ts";

export function shapeToProto(shape: Shape): wire.Shape {
  return {
    devices: shape.devices,
    share: shape.sharePermille / 1000,
    memoryMib: shape.memoryMib ?? undefined,
    deviceModel: shape.model,
    pools: [...shape.pools],
  };
}

/** Left out: one whole device of any model in any pool. */
export function shapeFromProto(message: wire.Shape | undefined): Shape {
  return {
    devices: message?.devices || 1,
    sharePermille: shareToPermille(message?.share ?? 1),
    memoryMib: message?.memoryMib ?? null,
    model: message?.deviceModel ?? "",
    pools: message?.pools ?? [],
  };
}

export function shareToPermille(share: number): number {
  return Math.round(share * 1000);
}
