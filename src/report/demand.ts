import type { DatabaseSync } from "node:sqlite";
import { Account, type Posting } from "../core/account.ts";
import {
  DemandSampler,
  type DemandPast,
  type DemandQuery,
  type Stretch,
  type Ticks,
} from "../core/reserve/demand-past.ts";
import { loadState } from "./records.ts";

/** Ticks times pools that are answered at once, the newest: 12 MB, and a minute or so of learning. */
const cellsMax = 500_000;

interface Row extends Stretch {
  readonly device: string;
}

/** As far back as the books are kept to the ms. Of one state of the books. */
export function computeDemand(db: DatabaseSync, query: DemandQuery): DemandPast {
  db.exec("BEGIN");
  try {
    return compute(db, query);
  } finally {
    db.exec("COMMIT");
  }
}

function compute(db: DatabaseSync, query: DemandQuery): DemandPast {
  const state = loadState(db);
  const pools = new Map<string, string>();
  const wanted = new Set(query.pools);
  for (const row of db.prepare("SELECT uuid, pool FROM devices").iterate())
    if (wanted.has(String(row["pool"]))) pools.set(String(row["uuid"]), String(row["pool"]));
  const ticks = ticksOf(query, state);
  const sampler = new DemandSampler(ticks);
  const open = new Map<string, Posting[]>();
  for (const posting of new Account(state).open(state.seenMs)) {
    if (!pools.has(posting.device)) continue;
    const parts = open.get(posting.device);
    if (parts === undefined) open.set(posting.device, [posting]);
    else parts.push(posting);
  }
  const add = (device: string, closed: readonly Stretch[]) => {
    sampler.addDevice(pools.get(device)!, [...closed, ...(open.get(device) ?? [])]);
    open.delete(device);
  };
  for (const { device, stretches } of byDevice(closedRows(db, query.pools, ticks.fromMs)))
    add(device, stretches);
  for (const device of open.keys()) add(device, []);
  for (const row of db
    .prepare(
      `SELECT at_ms AS atMs, name, device FROM counts
       WHERE folded = 0 AND at_ms > ? AND name IN ('returns', 'met_returns')`,
    )
    .iterate(ticks.fromMs - ticks.stepMs)) {
    const { atMs, name, device } = row as unknown as CountRow;
    const pool = pools.get(device);
    if (pool !== undefined) sampler.addReturn(pool, atMs, name);
  }
  return sampler.past();
}

interface CountRow {
  readonly atMs: number;
  readonly name: "returns" | "met_returns";
  readonly device: string;
}

/** Those of the query's that the books can tell of: what is at the last entry's own time is not in them yet. */
function ticksOf(
  { pools, fromMs, stepMs }: DemandQuery,
  { seenMs, exactFromMs }: { readonly seenMs: number; readonly exactFromMs: number },
): Ticks {
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
       AND device IN (SELECT uuid FROM devices WHERE pool IN (SELECT value FROM json_each(:pools)))
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
