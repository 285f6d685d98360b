import type { DatabaseSync } from "node:sqlite";
import { Account, type DeviceAccount } from "../core/account.ts";
import {
  DemandSampler,
  type DemandPast,
  type DemandQuery,
  type Stretch,
  type Ticks,
} from "../core/reserve/demand-past.ts";
import { loadBounds, loadLeases } from "./records.ts";
import { readAtOnce } from "./schema.ts";

/** Ticks times pools that are answered at once, the newest: 12 MB, and a minute or so of learning. */
const cellsMax = 500_000;

interface Row extends Stretch {
  readonly device: string;
}

/** As far back as the books are kept to the ms. Of one state of the books. */
export function computeDemand(db: DatabaseSync, query: DemandQuery): DemandPast {
  return readAtOnce(db, () => compute(db, query));
}

function compute(db: DatabaseSync, query: DemandQuery): DemandPast {
  const devices = db.prepare(`SELECT uuid, pool, account FROM devices WHERE ${isAskedFor}`);
  const described = devices.all({ pools: JSON.stringify(query.pools) }) as unknown as DeviceRow[];
  const pools = new Map(described.map(({ uuid, pool }) => [uuid, pool]));
  const accounts = described.map(({ account }) => JSON.parse(account) as DeviceAccount);
  const bounds = loadBounds(db);
  const beganMs = accounts.reduce((least, each) => Math.min(least, each.beganMs), bounds.seenMs);
  const ticks = ticksOf(query, Math.max(beganMs, bounds.exactFromMs), bounds.seenMs);
  const sampler = new DemandSampler(ticks);

  const met = new Map<string, number[]>();
  for (const { atMs, name, device } of returns(db, ticks.fromMs - ticks.stepMs)) {
    const pool = pools.get(device);
    if (pool === undefined) continue;
    sampler.addReturn(pool, atMs, name);
    if (name !== "met_returns") continue;
    const times = met.get(device);
    if (times === undefined) met.set(device, [atMs]);
    else times.push(atMs);
  }
  const open = Map.groupBy(
    new Account({ devices: accounts, leases: loadLeases(db) }).open(bounds.seenMs),
    ({ device }) => device,
  );
  const add = (device: string, closed: readonly Stretch[]) => {
    sampler.addDevice(pools.get(device)!, [...closed, ...(open.get(device) ?? [])], met.get(device) ?? []);
    open.delete(device);
  };
  for (const { device, stretches } of byDevice(closedRows(db, query.pools, ticks.fromMs)))
    add(device, stretches);
  for (const device of open.keys()) add(device, []);
  return sampler.past();
}

const isAskedFor = "pool IN (SELECT value FROM json_each(:pools))";

interface DeviceRow {
  readonly uuid: string;
  readonly pool: string;
  readonly account: string;
}

interface ReturnRow {
  readonly atMs: number;
  readonly name: "returns" | "met_returns";
  readonly device: string;
}

function returns(db: DatabaseSync, afterMs: number): Iterable<ReturnRow> {
  const rows = db
    .prepare(
      `SELECT at_ms AS atMs, name, device FROM counts
       WHERE folded = 0 AND at_ms > ? AND name IN ('returns', 'met_returns')`,
    )
    .iterate(afterMs);
  return rows as Iterable<unknown> as Iterable<ReturnRow>;
}

/** Those of the query's that the books can tell of: what is at the last entry's own time is not in them yet. */
function ticksOf({ pools, fromMs, stepMs }: DemandQuery, exactFromMs: number, seenMs: number): Ticks {
  const last = Math.ceil((seenMs - fromMs) / stepMs) - 1;
  const most = Math.floor(cellsMax / Math.max(1, pools.length));
  const first = Math.max(0, Math.ceil((exactFromMs - fromMs) / stepMs), last + 1 - most);
  return { fromMs: fromMs + first * stepMs, stepMs, count: Math.max(0, last + 1 - first) };
}

function closedRows(db: DatabaseSync, pools: readonly string[], fromMs: number): Iterable<Row> {
  const rows = db
    .prepare(
      `SELECT device, from_ms AS fromMs, to_ms AS toMs, category, reason FROM segments
       WHERE folded = 0 AND to_ms > :fromMs
       AND device IN (SELECT uuid FROM devices WHERE ${isAskedFor})
       ORDER BY device`,
    )
    .iterate({ fromMs, pools: JSON.stringify(pools) });
  return rows as Iterable<unknown> as Iterable<Row>;
}

function* byDevice(
  rows: Iterable<Row>,
): Generator<{ readonly device: string; readonly stretches: readonly Stretch[] }> {
  let stretches: Row[] = [];
  for (const row of rows) {
    const device = stretches[0]?.device;
    if (device !== undefined && device !== row.device) {
      yield { device, stretches };
      stretches = [];
    }
    stretches.push(row);
  }
  if (stretches.length > 0) yield { device: stretches[0]!.device, stretches };
}
