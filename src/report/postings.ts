import type { DatabaseSync } from "node:sqlite";
import type { Loss, Posting } from "../core/account.ts";
import { historyFromMs, kept } from "./schema.ts";

/** Writes what the account posts, and folds what is old into whole hours. Inside the caller's transaction. */
export function openPostings(db: DatabaseSync) {
  const insert = db.prepare(
    `INSERT INTO segments (device, from_ms, to_ms, category, reason, tenant, lease, units, folded)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)`,
  );
  const usefulNewestFirst = db.prepare(
    `SELECT rowid, from_ms, to_ms, reason, tenant, units FROM segments
     WHERE lease = ? AND device = ? AND lease <> '' AND category = 'useful' ORDER BY from_ms DESC`,
  );
  const shorten = db.prepare("UPDATE segments SET to_ms = ?, units = ? WHERE rowid = ?");
  const lose = db.prepare("UPDATE segments SET category = 'lost' WHERE rowid = ?");
  const old = `folded = 0 AND to_ms <= :beforeMs AND (lease = '' OR lease NOT IN (SELECT id FROM live_leases))`;
  const hour = `/ ${kept.foldMs} * ${kept.foldMs}`;
  const foldSegments = db.prepare(
    `INSERT INTO segments SELECT device, from_ms ${hour} AS hour_ms, from_ms ${hour} + ${kept.foldMs}, category, reason,
     tenant, '', SUM(units), 1 FROM segments WHERE ${old} GROUP BY device, hour_ms, category, reason, tenant`,
  );
  const dropFoldedSegments = db.prepare(`DELETE FROM segments WHERE ${old}`);
  const foldCounts = db.prepare(
    `INSERT INTO counts SELECT at_ms ${hour} AS hour_ms, name, device, tenant, SUM(n), 1 FROM counts
     WHERE folded = 0 AND at_ms < :beforeMs GROUP BY hour_ms, name, device, tenant`,
  );
  const dropFoldedCounts = db.prepare("DELETE FROM counts WHERE folded = 0 AND at_ms < :beforeMs");
  const forgetSegments = db.prepare("DELETE FROM segments WHERE folded = 1 AND to_ms <= ?");
  const forgetCounts = db.prepare("DELETE FROM counts WHERE folded = 1 AND at_ms < ?");
  const countExact = db.prepare("SELECT COUNT(*) AS n FROM segments WHERE folded = 0");
  const exactNow = () => Number(countExact.get()?.["n"]);
  let exact = exactNow();

  return {
    /** Stretches that are kept to the ms. */
    get exact(): number {
      return exact;
    },

    /** Counts them, after others have changed them. */
    recount(): void {
      exact = exactNow();
    },

    post(posting: Posting): void {
      const { device, category, reason, tenant, leaseId, permille, toMs } = posting;
      for (let fromMs = posting.fromMs; fromMs < toMs;) {
        const untilMs = Math.min(toMs, (Math.floor(fromMs / kept.foldMs) + 1) * kept.foldMs);
        insert.run(device, fromMs, untilMs, category, reason, tenant, leaseId, (untilMs - fromMs) * permille);
        exact += 1;
        fromMs = untilMs;
      }
    },

    /** Tail first: what came after the last checkpoint is what was lost. */
    lose({ device, leaseId, lostMs }: Loss): void {
      let leftMs = lostMs;
      for (const row of usefulNewestFirst.all(leaseId, device)) {
        if (leftMs === 0) return;
        const { rowid, from_ms, to_ms, reason, tenant, units } = row as unknown as UsefulRow;
        const takenMs = Math.min(leftMs, to_ms - from_ms);
        const takenUnits = (units / (to_ms - from_ms)) * takenMs;
        leftMs -= takenMs;
        if (takenUnits === units) {
          lose.run(rowid);
          continue;
        }
        shorten.run(to_ms - takenMs, units - takenUnits, rowid);
        insert.run(device, to_ms - takenMs, to_ms, "lost", reason, tenant, leaseId, takenUnits);
        exact += 1;
      }
    },

    /** `beforeMs` is a whole hour. Useful time of live leases stays exact, however old, until their ends settle it. */
    fold(beforeMs: number, seenMs: number): void {
      foldSegments.run({ beforeMs });
      dropFoldedSegments.run({ beforeMs });
      foldCounts.run({ beforeMs });
      dropFoldedCounts.run({ beforeMs });
      forgetSegments.run(historyFromMs(seenMs));
      forgetCounts.run(historyFromMs(seenMs));
      exact = exactNow();
    },
  };
}

interface UsefulRow {
  readonly rowid: number;
  readonly from_ms: number;
  readonly to_ms: number;
  readonly reason: string;
  readonly tenant: string;
  readonly units: number;
}
