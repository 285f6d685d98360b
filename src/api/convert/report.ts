import type { Category } from "../../core/account-category.ts";
import * as wire from "../../gen/gleaner/v1/reports.ts";
import type { Calibration } from "../../core/forecast/calibration.ts";
import type { DeviceBooks, GroupBooks, Report, ReportCalibration, ReturnRung } from "../../report/report.ts";
import type { DecisionView, FleetDevice, FleetView } from "../ports.ts";
import { whole } from "./numbers.ts";
import { wordMap } from "./words.ts";

export const categoryWords = wordMap<Category, wire.Category>({
  owner_busy: wire.Category.OWNER_BUSY,
  idle_unlent: wire.Category.IDLE_UNLENT,
  starting: wire.Category.STARTING,
  useful: wire.Category.USEFUL,
  paused: wire.Category.PAUSED,
  lost: wire.Category.LOST,
  handing_back: wire.Category.HANDING_BACK,
  quarantined: wire.Category.QUARANTINED,
  unknown: wire.Category.UNKNOWN,
});

export function reportToProto(report: Report): wire.GetReportResponse {
  return {
    from: new Date(report.fromMs),
    to: new Date(report.toMs),
    total: groupToProto(report.total),
    pools: report.pools.map(groupToProto),
    owners: report.owners.map(groupToProto),
    tenants: report.tenants.map(groupToProto),
    devices: report.devices.map(deviceBooksToProto),
    balanced: report.balanced,
    gaps: [...report.gaps],
    guestsByState: { ...report.guestsByState },
    returnsByRung: { ...report.returnsByRung },
    calibration: report.calibration === null ? undefined : calibrationToProto(report.calibration),
  };
}

export function reportFromProto(message: wire.GetReportResponse): Report {
  return {
    fromMs: message.from?.getTime() ?? 0,
    toMs: message.to?.getTime() ?? 0,
    total: groupFromProto(message.total ?? wire.GroupBooks.create()),
    pools: message.pools.map(groupFromProto),
    owners: message.owners.map(groupFromProto),
    tenants: message.tenants.map(groupFromProto),
    devices: message.devices.map(deviceBooksFromProto),
    balanced: message.balanced,
    gaps: message.gaps,
    guestsByState: message.guestsByState,
    returnsByRung: message.returnsByRung as Record<ReturnRung, number>,
    calibration: message.calibration === undefined ? null : calibrationFromProto(message.calibration),
  };
}

function groupToProto(group: GroupBooks): wire.GroupBooks {
  const hours = group.hours.map((part) => ({ ...part, category: categoryWords.toWire(part.category) }));
  return {
    ...group,
    hours,
    meetingsPerGpuDayMax: group.meetingsPerGpuDayMax ?? undefined,
    waitedShareMax: group.waitedShareMax ?? undefined,
    computeWait: { ...group.computeWait },
    releaseWait: { ...group.releaseWait },
  };
}

function groupFromProto(message: wire.GroupBooks): GroupBooks {
  return {
    ...message,
    hours: message.hours.map((part) => ({
      ...part,
      category: categoryWords.fromWire(part.category, "hours.category"),
    })),
    meetingsPerGpuDayMax: message.meetingsPerGpuDayMax ?? null,
    waitedShareMax: message.waitedShareMax ?? null,
    computeWait: message.computeWait ?? wire.WaitTimes.create(),
    releaseWait: message.releaseWait ?? wire.WaitTimes.create(),
  };
}

function calibrationToProto({ fromMs, total, pools }: ReportCalibration): wire.ForecastCalibration {
  return {
    from: new Date(fromMs),
    total: total.map(horizonToProto),
    pools: pools.map(({ pool, horizons }) => ({ pool, horizons: horizons.map(horizonToProto) })),
  };
}

function calibrationFromProto({ from, total, pools }: wire.ForecastCalibration): ReportCalibration {
  return {
    fromMs: from?.getTime() ?? 0,
    total: total.map(horizonFromProto),
    pools: pools.map(({ pool, horizons }) => ({ pool, horizons: horizons.map(horizonFromProto) })),
  };
}

function horizonToProto({ said, came, brier, interval, ...rest }: Calibration): wire.HorizonCalibration {
  return {
    ...rest,
    said: said ?? undefined,
    came: came ?? undefined,
    brier: brier ?? undefined,
    low: interval?.low,
    high: interval?.high,
  };
}

function horizonFromProto({ said, came, brier, low, high, ...rest }: wire.HorizonCalibration): Calibration {
  return {
    ...rest,
    said: said ?? null,
    came: came ?? null,
    brier: brier ?? null,
    interval: low === undefined || high === undefined ? null : { low, high },
  };
}

function deviceBooksToProto(books: DeviceBooks): wire.DeviceBooks {
  const { fromMs, toMs, amounts, ...rest } = books;
  return {
    ...rest,
    from: new Date(fromMs),
    to: new Date(toMs),
    amounts: amounts.map(({ category, reason, deviceUs }) => ({
      category: categoryWords.toWire(category),
      reason,
      deviceUs,
    })),
  };
}

function deviceBooksFromProto(message: wire.DeviceBooks): DeviceBooks {
  const { from, to, amounts, ...rest } = message;
  return {
    ...rest,
    fromMs: from?.getTime() ?? 0,
    toMs: to?.getTime() ?? 0,
    amounts: amounts.map(({ category, reason, deviceUs }) => ({
      category: categoryWords.fromWire(category, "amounts.category"),
      reason,
      deviceUs,
    })),
  };
}

export function fleetToProto(fleet: FleetView): wire.WatchFleetResponse {
  return {
    at: new Date(fleet.atMs),
    devices: fleet.devices.map(fleetDeviceToProto),
    guestsByState: { ...fleet.guestsByState },
    agents: fleet.agents,
    epoch: fleet.epoch,
  };
}

export function fleetFromProto(message: wire.WatchFleetResponse): FleetView {
  return {
    atMs: message.at?.getTime() ?? 0,
    devices: message.devices.map(fleetDeviceFromProto),
    guestsByState: message.guestsByState,
    agents: message.agents,
    epoch: message.epoch,
  };
}

function fleetDeviceToProto(device: FleetDevice): wire.FleetDevice {
  return {
    uuid: device.uuid,
    pool: device.pool,
    host: device.host,
    owner: device.owner,
    ownerStateAgeMs: whole(device.ownerStateAgeMs),
    category: categoryWords.toWire(device.category),
    reason: device.reason,
    leases: device.leases.map(({ sharePermille, ...lease }) => ({ ...lease, share: sharePermille / 1000 })),
    staysIdle1min: device.staysIdle1Min,
  };
}

function fleetDeviceFromProto(message: wire.FleetDevice): FleetDevice {
  const { staysIdle1min, ...rest } = message;
  return {
    ...rest,
    owner: message.owner as FleetDevice["owner"],
    category: categoryWords.fromWire(message.category, "devices.category"),
    leases: message.leases.map(({ share, ...lease }) => ({
      ...lease,
      sharePermille: Math.round(share * 1000),
    })),
    staysIdle1Min: staysIdle1min,
  };
}

export function decisionToProto({ atMs, ...rest }: DecisionView): wire.DecisionEntry {
  return { ...rest, at: new Date(atMs) };
}

export function decisionFromProto({ at, ...rest }: wire.DecisionEntry): DecisionView {
  return { ...rest, atMs: at?.getTime() ?? 0 };
}
