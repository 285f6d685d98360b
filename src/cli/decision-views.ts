import type { ReadCycle } from "../controller/decision-reader.ts";
import { unlentReason, waitReason } from "../core/cycle.ts";
import { explainWait } from "../core/cycle-explain.ts";
import { gate } from "../core/placement-gate.ts";
import { reasons, type ReasonCode } from "../core/reasons.ts";

/** What a journalled cycle says, of itself and of one guest or device: as JSON, and as cells of a table. */
export interface CycleView {
  readonly json: Readonly<Record<string, unknown>>;
  readonly cells: readonly string[];
}

export const cycleHead = ["TIME", "DEVICES", "GUESTS", "LENDS", "FORECAST"];
export const guestHead = ["TIME", "DECISION", "DEVICES", "WHY"];
export const deviceHead = ["TIME", "OWNER", "DECISION", "WHY"];

/** Hashes that a table shows; the rest are counted. */
const hashesShown = 2;

export function cycleView({ atMs, snapshot, decisions, missed, release }: ReadCycle): CycleView {
  const { devices, guests } = snapshot;
  const lends = decisions.lends.length;
  const hashes = new Set<string>();
  for (const { curve } of devices) if (curve !== null) hashes.add(curve.hash);
  const forecastHashes = [...hashes].toSorted();
  const more = forecastHashes.length - hashesShown;
  const shown = forecastHashes.slice(0, hashesShown).join(" ") + (more > 0 ? ` +${more}` : "");
  const at = timeOf(atMs);
  return {
    json: { at, devices: devices.length, guests: guests.length, lends, forecastHashes, missed, release },
    cells: [at, String(devices.length), String(guests.length), String(lends), shown || "-"],
  };
}

/** null: the guest did not wait then. */
export function guestView(
  { atMs, snapshot, decisions, settings }: ReadCycle,
  guestId: string,
): CycleView | null {
  const at = timeOf(atMs);
  const place = snapshot.guests.findIndex(({ id }) => id === guestId);
  if (place === -1) return null;
  const lend = decisions.lends.find((other) => other.guestId === guestId);
  if (lend !== undefined) {
    const { host, grants, reasonCode, reason, forecastHash } = lend;
    const devices = grants.map(({ device }) => device);
    return {
      json: { at, guestId, decision: "lent", reasonCode, reason, forecastHash, host, grants },
      cells: [at, "lent", devices.join(" "), `${reason} (${reasonCode}, forecast ${forecastHash})`],
    };
  }
  const explained = explainWait(snapshot, decisions, guestId, settings);
  const reasonCode = explained?.reasonCode ?? waitReason(decisions, place);
  const reason = reasonCode === null ? "" : reasons[reasonCode];
  return {
    json: { at, guestId, decision: "waits", reasonCode, reason, obstacles: explained?.obstacles ?? [] },
    cells: [at, "waits", "-", `${reason} (${reasonCode})`],
  };
}

/** null: the device was not there. */
export function deviceView({ atMs, snapshot, decisions }: ReadCycle, uuid: string): CycleView | null {
  const place = snapshot.devices.findIndex(({ info }) => info.uuid === uuid);
  const device = snapshot.devices[place];
  if (device === undefined) return null;
  const at = timeOf(atMs);
  const { owner, ownerReason, leases } = device;
  const lends = decisions.lends.filter(({ grants }) => grants.some((grant) => grant.device === uuid));
  const guests = lends.map(({ guestId }) => guestId);
  const [lend] = lends;
  const notLent: ReasonCode =
    unlentReason(decisions, place) ??
    gate(device, snapshot.pools.get(device.info.pool), snapshot.nowMs) ??
    "lent";
  const reasonCode = lend?.reasonCode ?? notLent;
  const reason = lend?.reason ?? reasons[notLent];
  const forecastHash = device.curve?.hash ?? null;
  return {
    json: {
      at,
      device: uuid,
      owner,
      ownerReason,
      leases: leases.length,
      guests,
      reasonCode,
      reason,
      forecastHash,
    },
    cells: [
      at,
      `${owner}: ${ownerReason}`,
      guests.length > 0 ? `lent to ${guests.join(" ")}` : "not lent anew",
      `${reason} (${reasonCode}${forecastHash === null ? "" : `, forecast ${forecastHash}`})`,
    ],
  };
}

export function timeOf(atMs: number): string {
  return new Date(atMs).toISOString();
}
