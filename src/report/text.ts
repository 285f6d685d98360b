import { createColors } from "picocolors";
import { categories, type Category } from "../core/account-category.ts";
import { usPerDeviceHour } from "./groups.ts";
import { forecastText, ownersText } from "./forecast-text.ts";
import type { CategoryHours, DeviceBooks, GroupBooks, Report, WaitTimes } from "./report.ts";
import { iso, share, shorten, table } from "./text-parts.ts";

export interface TextOptions {
  readonly colors: boolean;
  /** For the heading of the money; 0: no money. */
  readonly pricePerGpuHour: number;
  /** Devices listed one by one; the others are counted. */
  readonly devicesMax?: number;
}

const headings: Readonly<Record<Category, string>> = {
  owner_busy: "owner",
  idle_unlent: "idle",
  starting: "start",
  useful: "useful",
  paused: "paused",
  lost: "lost",
  handing_back: "hand.",
  quarantined: "quar.",
  unknown: "unkn.",
};

/** The report for a terminal of 100 columns. */
export function reportText(
  report: Report,
  { colors, pricePerGpuHour, devicesMax = 64 }: TextOptions,
): string {
  const paint = createColors(colors);
  const { total } = report;
  const spanS = (report.toMs - report.fromMs) / 1_000;
  const unit = total.deviceHours >= 10 ? "h" : "s";
  const title = (text: string) => paint.bold(text);
  const lines = [
    title(
      `Where ${report.devices.length} devices' time went, ${iso(report.fromMs)} to ${iso(report.toMs)} (${span(spanS)})`,
    ),
    "",
    `  harvested ${amount(total.harvestedGpuHours, unit)} of ${amount(total.deviceHours, unit)} device time (${share(total.harvestedGpuHours, total.deviceHours)}): ` +
      `useful ${paint.green(amount(total.usefulGpuHours, unit))}, lost ${paint.yellow(amount(total.lostGpuHours, unit))}`,
    ...(pricePerGpuHour > 0
      ? [`  money     ${total.usefulMoney.toFixed(2)} for the useful time, at ${pricePerGpuHour} a GPU-hour`]
      : []),
    `  owners    ${returns(report)}`,
    `            compute back after ${waits(total.computeWait)}`,
    `            released after     ${waits(total.releaseWait)}; deadlines missed: ${count(total.deadlinesMissed)}`,
    `  guests    ${guests(report)}`,
    "",
    title(`Time by category, ${unit === "h" ? "device-hours" : "device-seconds"}`),
    byCategory(total.hours, unit),
    "",
    ...(["pools", "owners", "tenants"] as const).flatMap((kind) =>
      report[kind].length === 0 ? [] : [groupTable(kind, report[kind], unit, pricePerGpuHour > 0), ""],
    ),
    ...ownersText(report.pools, title),
    ...forecastText(report.calibration, title),
    title(`Devices, ${unit === "h" ? "hours" : "seconds"}: Σ categories = elapsed time`),
    deviceTable(report, unit, devicesMax),
    ...(report.devices.length > devicesMax
      ? [`  and ${report.devices.length - devicesMax} more: see --csv or --json`]
      : []),
    "",
    report.balanced
      ? paint.green(
          `The books balance: Σ categories = elapsed on all ${report.devices.length} devices, to the device-µs.`,
        )
      : paint.red("THE BOOKS DO NOT BALANCE: a defect in Gleaner, please report it."),
    ...report.gaps.map((gap) => paint.yellow(`Gap: ${gap}`)),
  ];
  return `${lines.join("\n")}\n`;

  function count(n: number): string {
    return n === 0 ? "0" : paint.red(String(n));
  }
}

type Unit = "h" | "s";

function amount(hours: number, unit: Unit): string {
  return `${figure(hours, unit)} ${unit}`;
}

function figure(hours: number, unit: Unit): string {
  return (unit === "h" ? hours : hours * 3_600).toFixed(1);
}

function span(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7_200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}

function waits({ count, p50Ms, p99Ms, maxMs }: WaitTimes): string {
  if (count === 0) return "– (nobody waited)";
  return `p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, max ${ms(maxMs)} (${count} times)`;
}

function ms(value: number): string {
  return value < 1_000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : `${(value / 1_000).toFixed(2)} s`;
}

function returns({ returnsByRung, total }: Report): string {
  const { pause, vacate, kill, recall } = returnsByRung;
  return (
    `${pause + vacate + kill + recall} returns served (pause ${pause}, vacate ${vacate}, kill ${kill}, recall ${recall}); ` +
    `${total.meetings} meetings, ${total.meetingsPerGpuDay.toFixed(2)} a GPU-day`
  );
}

function guests({ guestsByState, total }: Report): string {
  const states = Object.entries(guestsByState).map(([state, n]) => `${n} ${state}`);
  return `${states.length === 0 ? "none" : states.join(", ")}; ${total.leases} leases, ${total.evictions} evictions`;
}

function byCategory(hours: readonly CategoryHours[], unit: Unit): string {
  const whole = hours.reduce((sum, { deviceHours }) => sum + deviceHours, 0);
  const rows = hours.map(({ category, reason, deviceHours }) => [
    reason === "" ? category : `${category}: ${reason}`,
    figure(deviceHours, unit),
    share(deviceHours, whole),
  ]);
  return table(["category", unit, "share"], [...rows, ["Σ", figure(whole, unit), share(whole, whole)]]);
}

function groupTable(kind: string, groups: readonly GroupBooks[], unit: Unit, money: boolean): string {
  const head = [
    kind,
    "time",
    "harvested",
    "useful",
    "lost",
    "leases",
    "evict.",
    "meet.",
    "wait p99",
    "missed",
  ];
  const rows = groups.map((group) => [
    group.name === "" ? "(none)" : shorten(group.name),
    figure(group.deviceHours, unit),
    figure(group.harvestedGpuHours, unit),
    figure(group.usefulGpuHours, unit),
    figure(group.lostGpuHours, unit),
    String(group.leases),
    String(group.evictions),
    String(group.meetings),
    group.computeWait.count === 0 ? "–" : ms(group.computeWait.p99Ms),
    String(group.deadlinesMissed),
    ...(money ? [group.usefulMoney.toFixed(2)] : []),
  ]);
  return table(money ? [...head, "money"] : head, rows);
}

function deviceTable({ devices }: Report, unit: Unit, devicesMax: number): string {
  const shown = categories.filter((category) =>
    devices.some(({ amounts }) => amounts.some((each) => each.category === category)),
  );
  const hours = (us: number) => figure(us / usPerDeviceHour, unit);
  const row = ({ device, pool, elapsedUs, amounts }: DeviceBooks): string[] => {
    const of = (category: Category) =>
      amounts.reduce((sum, each) => sum + (each.category === category ? each.deviceUs : 0), 0);
    const sumUs = amounts.reduce((sum, { deviceUs }) => sum + deviceUs, 0);
    const balance = `${sumUs === elapsedUs ? "=" : "≠"} ${hours(elapsedUs)}`;
    return [shorten(device), shorten(pool), ...shown.map((category) => hours(of(category))), balance];
  };
  const head = ["device", "pool", ...shown.map((category) => headings[category]), "= elapsed"];
  return table(head, devices.slice(0, devicesMax).map(row), shown.length > 7 ? 0 : 1);
}
