import type { FleetDevice, FleetView } from "../api/ports.ts";
import type { Colors } from "./cli.ts";
import { formatDuration } from "./duration.ts";
import { clip, plural, table } from "./table.ts";

/** The fleet on one screen: a headline, a line for each pool, a line for each device as far as there is room. */
export function fleetTable(paint: Colors, view: FleetView, rowsMax: number): string {
  const byPool = new Map<string, FleetDevice[]>();
  for (const device of view.devices) byPool.set(device.pool, [...(byPool.get(device.pool) ?? []), device]);
  const pools = [...byPool].toSorted(([a], [b]) => a.localeCompare(b));
  const devices = pools.flatMap(([, members]) => members.toSorted(byPlace));
  const room = Math.max(1, rowsMax - pools.length - 4);
  const lines = [
    `${paint.bold("fleet")}  ${new Date(view.atMs).toISOString().slice(11, 19)}  ${plural(view.agents, "agent")}  guests: ${guestsInWords(view)}`,
    ...pools.map(([pool, members]) => `pool ${pool}: ${poolInWords(members)}`),
    table(
      paint,
      ["DEVICE", "POOL", "HOST", "OWNER", "NOW", "GUEST OR WHY NOT"],
      devices
        .slice(0, room)
        .map((device) => [
          clip(device.uuid, 24),
          device.pool,
          device.host,
          ownerCell(paint, device),
          nowCell(paint, device),
          clip(device.leases.length > 0 ? guestsOf(device) : device.reason, 60),
        ]),
    ),
  ];
  if (devices.length > room) lines.push(paint.dim(`… and ${devices.length - room} more; --json shows all`));
  return lines.join("\n");
}

/** `busy 5, idle 3, lent 8` in one line, for output that is no terminal. */
export function fleetLine(view: FleetView): string {
  return `${poolInWords(view.devices)}; guests: ${guestsInWords(view)}`;
}

export function guestsInWords({ guestsByState }: FleetView): string {
  const parts = Object.entries(guestsByState)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

function poolInWords(devices: readonly FleetDevice[]): string {
  const counts = { busy: 0, idle: 0, unknown: 0 };
  for (const { owner } of devices) counts[owner] += 1;
  const lent = devices.filter(({ leases }) => leases.length > 0).length;
  const unknown = counts.unknown > 0 ? `, ${counts.unknown} unknown` : "";
  return `${plural(devices.length, "device")}, owners busy on ${counts.busy}, idle ${counts.idle}${unknown}, lent ${lent}`;
}

function ownerCell(paint: Colors, { owner, ownerStateAgeMs }: FleetDevice): string {
  const text = `${owner} ${formatDuration(ownerStateAgeMs)}`;
  switch (owner) {
    case "busy":
      return paint.yellow(text);
    case "unknown":
      return paint.dim(text);
    case "idle":
      return text;
  }
}

function nowCell(paint: Colors, { category }: FleetDevice): string {
  const text = category.replaceAll("_", " ");
  switch (category) {
    case "useful":
      return paint.green(text);
    case "quarantined":
    case "lost":
      return paint.red(text);
    case "paused":
    case "handing_back":
    case "starting":
      return paint.cyan(text);
    default:
      return paint.dim(text);
  }
}

function guestsOf({ leases }: FleetDevice): string {
  return leases
    .map(({ guestId, tenant, state, sharePermille }) => {
      const share = sharePermille < 1_000 ? ` ${sharePermille / 10}%` : "";
      return `${guestId} (${tenant})${share} ${state}`;
    })
    .join(", ");
}

function byPlace(a: FleetDevice, b: FleetDevice): number {
  return a.host.localeCompare(b.host) || a.uuid.localeCompare(b.uuid);
}
