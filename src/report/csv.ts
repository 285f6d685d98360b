import type { Report } from "./report.ts";

const header = "device,pool,host,owner,from,to,elapsed_us,category,reason,device_us";

/** One row for each device and category (and reason); RFC 4180. The device_us of a device sum to its elapsed_us. */
export function reportCsv(report: Report): string {
  const rows = report.devices.flatMap(({ device, pool, host, owner, fromMs, toMs, elapsedUs, amounts }) =>
    amounts.map(({ category, reason, deviceUs }) =>
      [device, pool, host, owner, iso(fromMs), iso(toMs), elapsedUs, category, reason, deviceUs]
        .map(quoted)
        .join(","),
    ),
  );
  return `${[header, ...rows].join("\r\n")}\r\n`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** A leading =, +, - or @ would be run as a formula by spreadsheets. */
function quoted(value: string | number): string {
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
