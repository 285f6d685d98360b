import type { DatabaseSync } from "node:sqlite";
import { Account } from "../core/account.ts";
import type { ReportQuery } from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { Groups, sortAmounts, type GroupedDevice } from "./groups.ts";
import type { CountName, Wait } from "./lease-facts.ts";
import { loadState, type SavedState } from "./records.ts";
import { returnRungs, type Amount, type DeviceBooks, type Report, type ReturnRung } from "./report.ts";
import { historyFromMs, kept, readAtOnce } from "./schema.ts";

interface Range {
  readonly fromMs: number;
  readonly toMs: number;
  /** What happened, before the first device too, and at the very end when the range has no end of its own. */
  readonly countsFromMs: number;
  readonly countsToMs: number;
  readonly widened: boolean;
}

/** Of one state of the books. */
export function computeReport(db: DatabaseSync, query: ReportQuery): Report {
  return readAtOnce(db, () => compute(db, query));
}

function compute(db: DatabaseSync, query: ReportQuery): Report {
  const state = loadState(db);
  const account = new Account(state);
  const devices = new Map<string, GroupedDevice>();
  for (const row of db
    .prepare("SELECT uuid, pool, host, owner FROM devices ORDER BY pool, host, uuid")
    .iterate()) {
    const device = row as unknown as GroupedDevice;
    if (query.pool === "" || query.pool === device.pool) devices.set(device.uuid, device);
  }
  if (query.pool !== "" && devices.size === 0) throw new GleanerError("POOL_NOT_FOUND", { pool: query.pool });

  const began = state.devices.filter(({ uuid }) => devices.has(uuid)).map(({ beganMs }) => beganMs);
  const range = rangeOf(
    query,
    began.reduce((least, ms) => Math.min(least, ms), state.seenMs),
    state,
  );
  const groups = new Groups(devices, query.pricePerGpuHour);
  const amounts = new Map<string, Amount[]>();
  for (const { device, tenant, category, reason, deviceUs } of [
    ...closedAmounts(db, range),
    ...openAmounts(account, range, state.seenMs),
  ]) {
    if (!devices.has(device)) continue;
    for (const group of groups.of(device, tenant)) group.add(category, reason, deviceUs);
    addAmount(amounts, device, { category, reason, deviceUs });
  }
  const books: DeviceBooks[] = [];
  for (const device of devices.values()) {
    const fromMs = Math.max(range.fromMs, account.devices.get(device.uuid)!.beganMs);
    const toMs = Math.max(range.toMs, fromMs);
    const { uuid, pool, host, owner } = device;
    const elapsedUs = (toMs - fromMs) * 1_000;
    books.push({
      device: uuid,
      pool,
      host,
      owner,
      fromMs,
      toMs,
      elapsedUs,
      amounts: sortAmounts(amounts.get(uuid) ?? []),
    });
  }

  const returnsByRung: Record<ReturnRung, number> = { pause: 0, vacate: 0, kill: 0, recall: 0 };
  for (const { name, device, tenant, n } of counts(db, range)) {
    if (query.pool !== "" && !devices.has(device)) continue;
    const rung = returnRungs.find((each) => name === `return_${each}`);
    if (rung !== undefined) returnsByRung[rung] += n;
    else for (const group of groups.of(device, tenant)) group.count(name, n);
  }
  // An owner who is still there is served by the pause so far.
  for (const { device, returnedAtMs } of state.facts)
    if (
      returnedAtMs !== null &&
      devices.has(device) &&
      returnedAtMs >= range.countsFromMs &&
      returnedAtMs < range.countsToMs
    )
      returnsByRung.pause += 1;
  for (const { device, tenant, stage, ms } of waits(db, range)) {
    if (query.pool !== "" && !devices.has(device)) continue;
    for (const group of groups.of(device, tenant)) group.wait(stage, ms);
  }

  return {
    fromMs: range.fromMs,
    toMs: range.toMs,
    ...groups.books(),
    devices: books,
    balanced: books.every(
      (each) => each.amounts.reduce((sum, { deviceUs }) => sum + deviceUs, 0) === each.elapsedUs,
    ),
    gaps: gaps(db, range),
    guestsByState: guestsByState(db),
    returnsByRung,
    calibration: null,
  };
}

/** Not before the first device and not after the last entry; whole hours where the books keep no more than those. */
function rangeOf(query: ReportQuery, firstMs: number, { seenMs, exactFromMs }: SavedState): Range {
  const beganMs = Math.max(firstMs, historyFromMs(seenMs));
  const floor = (ms: number) => (ms < exactFromMs ? Math.floor(ms / kept.foldMs) * kept.foldMs : ms);
  const ceil = (ms: number) => (ms < exactFromMs ? Math.ceil(ms / kept.foldMs) * kept.foldMs : ms);
  const askedFromMs = Math.max(query.fromMs ?? beganMs, beganMs);
  const askedToMs = query.toMs ?? seenMs;
  const fromMs = Math.max(floor(askedFromMs), beganMs);
  const toMs = Math.max(Math.min(ceil(askedToMs), seenMs), fromMs);
  return {
    fromMs,
    toMs,
    countsFromMs: floor(query.fromMs ?? 0),
    countsToMs: query.toMs === null || askedToMs > seenMs ? Number.MAX_SAFE_INTEGER : toMs,
    widened: fromMs < askedFromMs || ceil(askedToMs) > askedToMs,
  };
}

interface TenantAmount extends Amount {
  readonly device: string;
  readonly tenant: string;
}

function closedAmounts(db: DatabaseSync, { fromMs, toMs }: Range): TenantAmount[] {
  // In integers, so that it is exact: numbers are bound as REAL. A folded row lies in the range whole.
  const rows = db
    .prepare(
      `WITH range (from_ms, to_ms) AS (SELECT CAST(:fromMs AS INTEGER), CAST(:toMs AS INTEGER))
       SELECT device, category, reason, tenant, SUM(IIF(folded, units, units
         * (MIN(segments.to_ms, range.to_ms) - MAX(segments.from_ms, range.from_ms))
         / (segments.to_ms - segments.from_ms))) AS deviceUs
       FROM segments, range WHERE segments.to_ms > range.from_ms AND segments.from_ms < range.to_ms
       GROUP BY device, category, reason, tenant`,
    )
    .all({ fromMs, toMs });
  return rows as unknown as TenantAmount[];
}

function* openAmounts(account: Account, { fromMs, toMs }: Range, seenMs: number): Generator<TenantAmount> {
  for (const { device, category, reason, tenant, permille, ...stretch } of account.open(seenMs)) {
    const lengthMs = Math.min(stretch.toMs, toMs) - Math.max(stretch.fromMs, fromMs);
    if (lengthMs > 0) yield { device, category, reason, tenant, deviceUs: lengthMs * permille };
  }
}

function addAmount(
  amounts: Map<string, Amount[]>,
  device: string,
  { category, reason, deviceUs }: Amount,
): void {
  const list = amounts.get(device) ?? [];
  amounts.set(device, list);
  const at = list.findIndex((each) => each.category === category && each.reason === reason);
  if (at < 0) list.push({ category, reason, deviceUs });
  else list[at] = { category, reason, deviceUs: deviceUs + list[at]!.deviceUs };
}

function counts(db: DatabaseSync, { countsFromMs, countsToMs }: Range) {
  const rows = db
    .prepare(
      `SELECT name, device, tenant, SUM(n) AS n FROM counts WHERE at_ms >= ? AND at_ms < ?
       GROUP BY name, device, tenant`,
    )
    .all(countsFromMs, countsToMs);
  return rows as unknown as { name: CountName; device: string; tenant: string; n: number }[];
}

function waits(db: DatabaseSync, { countsFromMs, countsToMs }: Range) {
  const rows = db
    .prepare("SELECT stage, device, tenant, ms FROM waits WHERE at_ms >= ? AND at_ms < ?")
    .all(countsFromMs, countsToMs);
  return rows as unknown as Pick<Wait, "stage" | "device" | "tenant" | "ms">[];
}

function gaps(db: DatabaseSync, { fromMs, toMs, widened }: Range): string[] {
  const rows = db
    .prepare("SELECT text FROM gaps WHERE to_ms = 0 OR (to_ms >= ? AND from_ms <= ?) ORDER BY id")
    .all(fromMs, toMs);
  const texts = rows.map((row) => String(row["text"]));
  if (widened)
    texts.push("The range was widened to whole hours (UTC): of older time the books keep whole hours only.");
  return texts;
}

function guestsByState(db: DatabaseSync): Report["guestsByState"] {
  const rows = db
    .prepare(
      "SELECT state, COUNT(*) AS n FROM guests GROUP BY state UNION ALL SELECT state, n FROM ended_guests",
    )
    .all();
  return Object.fromEntries(rows.map((row) => [String(row["state"]), Number(row["n"])]));
}
