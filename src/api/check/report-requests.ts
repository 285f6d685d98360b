import type { Settings } from "../../config/settings.ts";
import type * as wire from "../../gen/gleaner/v1/reports.ts";
import { msOrNull } from "../convert/numbers.ts";
import type { DecisionQuery, ReportQuery } from "../ports.ts";
import { checkNameOrEmpty, checkText, checkWithin, refuse } from "./fields.ts";
import { checkPageSize } from "./guest-requests.ts";

const fleetIntervalMs = { absent: 1_000, min: 100, max: 60_000 } as const;
const pricePerGpuHourMax = 1_000_000;

export function checkReportRequest(message: wire.GetReportRequest): ReportQuery {
  const fromMs = msOrNull(message.from);
  const toMs = msOrNull(message.to);
  if (Number.isNaN(fromMs)) refuse("from", "not a time");
  if (Number.isNaN(toMs)) refuse("to", "not a time");
  if (fromMs !== null && toMs !== null && fromMs >= toMs) refuse("to", "not after from");
  checkWithin(message.pricePerGpuHour, "price_per_gpu_hour", 0, pricePerGpuHourMax);
  checkNameOrEmpty(message.pool, "pool");
  return { fromMs, toMs, pricePerGpuHour: message.pricePerGpuHour, pool: message.pool };
}

export function checkFleetInterval({ intervalMs }: wire.WatchFleetRequest): number {
  checkWithin(intervalMs || undefined, "interval_ms", fleetIntervalMs.min, fleetIntervalMs.max);
  return intervalMs || fleetIntervalMs.absent;
}

export function checkDecisionsRequest(
  message: wire.ListDecisionsRequest,
  settings: Pick<Settings, "api">,
): DecisionQuery {
  checkText(message.device, "device", 128);
  checkText(message.guestId, "guest_id", 128);
  return {
    device: message.device,
    guestId: message.guestId,
    pageSize: checkPageSize(message.pageSize, settings),
  };
}
