import type { DatabaseSync } from "node:sqlite";
import type { DeviceAccount, LeaseAccount } from "../core/account.ts";
import type { LedgerEvent } from "../core/ledger-event.ts";
import type { GuestState } from "../core/guest.ts";
import type { LeaseState } from "../core/lease.ts";
import type { Count, Facts, LeaseFacts } from "./lease-facts.ts";
import { kept } from "./schema.ts";

/** What the books hold of the running state; read whole at the start. */
export interface SavedState {
  readonly devices: readonly DeviceAccount[];
  readonly leases: readonly LeaseAccount[];
  readonly facts: readonly LeaseFacts[];
  readonly lastId: string;
  readonly seenMs: number;
  /** They know what stood when they began. */
  readonly isTold: boolean;
  /** Before it there are whole hours only. */
  readonly exactFromMs: number;
}

/** What a lease's state says of its guest; null: the guest's own event follows. */
const guestStateOf: Readonly<Record<LeaseState, GuestState | null>> = {
  starting: "starting",
  running: "running",
  paused: "paused",
  vacating: "vacating",
  killing: "vacating",
  released: null,
  quarantined: null,
};

/** Everything in the books besides device time: who is there, what happened, what was decided. Inside the caller's transaction. */
export function openRecords(db: DatabaseSync) {
  const saveMeta = db.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)");
  const saveDescription = db.prepare(
    `INSERT INTO devices VALUES (:uuid, :pool, :host, :owner, '')
     ON CONFLICT DO UPDATE SET pool = :pool, host = :host, owner = :owner`,
  );
  const saveDevice = db.prepare("UPDATE devices SET account = ? WHERE uuid = ?");
  const saveLease = db.prepare("INSERT OR REPLACE INTO live_leases VALUES (?, ?, ?)");
  const dropLease = db.prepare("DELETE FROM live_leases WHERE id = ?");
  const count = db.prepare("INSERT INTO counts VALUES (?, ?, ?, ?, 1, 0)");
  const wait = db.prepare("INSERT INTO waits (at_ms, stage, device, tenant, ms) VALUES (?, ?, ?, ?, ?)");
  const decide = db.prepare(
    `INSERT INTO decisions (at_ms, kind, device, guest, lease, reason_code, reason, forecast_hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const openGuest = db.prepare("INSERT OR REPLACE INTO guests VALUES (?, ?)");
  const moveGuest = db.prepare("UPDATE guests SET state = ? WHERE id = ?");
  const dropGuest = db.prepare("DELETE FROM guests WHERE id = ?");
  const countEnded = db.prepare("INSERT INTO ended_guests VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1");
  const ended = db.prepare("SELECT state, n FROM ended_guests");
  const keepOnce = db.prepare("INSERT OR IGNORE INTO once (name) VALUES (?)");
  const gap = db.prepare("INSERT INTO gaps (from_ms, to_ms, text) VALUES (?, ?, ?)");

  function record(event: LedgerEvent, facts: Facts, leases: ReadonlyMap<string, LeaseFacts>): void {
    facts.counts.forEach(countOne);
    for (const { atMs, stage, device, tenant, ms } of facts.waits) wait.run(atMs, stage, device, tenant, ms);
    switch (event.type) {
      case "device": {
        const { uuid, pool, host } = event.device;
        saveDescription.run({ uuid, pool, host, owner: event.owner });
        break;
      }
      case "lent":
        openGuest.run(event.guestId, "starting");
        break;
      case "step": {
        const state = guestStateOf[event.state];
        const lease = leases.get(event.leaseId);
        if (state !== null && lease !== undefined) moveGuest.run(state, lease.guestId);
        break;
      }
      case "guest":
        if (event.state === "succeeded" || event.state === "failed" || event.state === "cancelled") {
          dropGuest.run(event.guestId);
          countEnded.run(event.state);
        } else openGuest.run(event.guestId, event.state);
        break;
      case "decision": {
        const { atMs, kind, device, guestId, leaseId, reasonCode, reason, forecastHash } = event;
        decide.run(atMs, kind, device, guestId, leaseId, reasonCode, reason, forecastHash);
        break;
      }
      case "outage":
        gap.run(event.sinceMs, event.atMs, outageText(event.sinceMs, event.atMs));
        break;
      case "owner":
      case "unlent":
      case "quarantine":
      case "meeting":
      case "recalled":
      case "alive":
        break;
    }
  }

  function countOne({ atMs, name, device, tenant }: Count): void {
    count.run(atMs, name, device, tenant);
  }

  /** False: it was written twice, by a controller that had no answer or by two of them. */
  function isNews(event: LedgerEvent): boolean {
    const name = onceName(event);
    return name === null || keepOnce.run(name).changes === 1;
  }

  return {
    isNews,
    record,
    count: countOne,
    gap: (fromMs: number, toMs: number, text: string) => void gap.run(fromMs, toMs, text),
    saveMeta: (key: "last_id" | "seen_ms" | "exact_from_ms" | "told", value: string) =>
      void saveMeta.run(key, value),
    saveDevice: (device: DeviceAccount) => void saveDevice.run(JSON.stringify(device), device.uuid),
    saveLease(id: string, account: LeaseAccount | undefined, facts: LeaseFacts | undefined): void {
      if (account === undefined && facts === undefined) dropLease.run(id);
      else saveLease.run(id, JSON.stringify(account ?? null), JSON.stringify(facts ?? null));
    },
    /** Keeps the newest rows of what would grow without end. */
    prune(): void {
      for (const [table, rowsMax] of [
        ["decisions", kept.decisionsMax],
        ["waits", kept.waitsMax],
        ["gaps", kept.gapsMax],
        ["once", kept.onceMax],
      ] as const)
        db.exec(`DELETE FROM ${table} WHERE id <= (SELECT MAX(id) FROM ${table}) - ${rowsMax}`);
    },
    endedGuests: (): Partial<Record<GuestState, number>> =>
      Object.fromEntries(ended.all().map((row) => [String(row["state"]), Number(row["n"])])),
    load: () => loadState(db),
  };
}

/** null: the event's script or its place in the stream keeps it from coming twice. */
function onceName(event: LedgerEvent): string | null {
  if (event.type === "meeting") return `meeting ${event.id}`;
  return event.type === "recalled" ? `recalled ${event.recallId} ${event.device}` : null;
}

export function loadState(db: DatabaseSync): SavedState {
  return {
    ...loadBounds(db),
    devices: parsed<DeviceAccount>(db, "SELECT account AS json FROM devices"),
    leases: loadLeases(db),
    facts: parsed<LeaseFacts | null>(db, "SELECT facts AS json FROM live_leases").filter(
      (facts) => facts !== null,
    ),
  };
}

export function loadLeases(db: DatabaseSync): LeaseAccount[] {
  const leases = parsed<LeaseAccount | null>(db, "SELECT account AS json FROM live_leases");
  return leases.filter((lease) => lease !== null);
}

/** From where and to where the books know. */
export function loadBounds(
  db: DatabaseSync,
): Pick<SavedState, "lastId" | "seenMs" | "isTold" | "exactFromMs"> {
  const meta = new Map(
    db
      .prepare("SELECT key, value FROM meta")
      .all()
      .map((row) => [row["key"], row["value"]]),
  );
  return {
    lastId: String(meta.get("last_id") ?? "0-0"),
    seenMs: Number(meta.get("seen_ms") ?? 0),
    isTold: meta.has("told"),
    exactFromMs: Number(meta.get("exact_from_ms") ?? 0),
  };
}

function parsed<T>(db: DatabaseSync, sql: string): T[] {
  return db
    .prepare(sql)
    .all()
    .map((row) => JSON.parse(String(row["json"])) as T);
}

function outageText(sinceMs: number, atMs: number): string {
  const [since, until] = [sinceMs, atMs].map((ms) => new Date(ms).toISOString());
  if (since === until) return `One entry of the ledger at ${since} could not be read.`;
  const seconds = Math.round((atMs - sinceMs) / 1_000);
  return `Nobody watched from ${since} to ${until} (${seconds} s): devices without a lease count as unknown.`;
}
