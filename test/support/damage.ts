import { closeSync, openSync, statSync, writeSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

const pageBytes = 4_096;

/** Overwrites all pages of the books but the first while another holds them open, as a failing disk does. */
export function damageBooks(path: string): void {
  // The other's page cache would hide it.
  const db = new DatabaseSync(path, { timeout: 5_000 });
  db.exec("INSERT INTO gaps (from_ms, to_ms, text) VALUES (0, 0, ''); PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(statSync(path).size - pageBytes, 0x5a), 0, null, pageBytes);
  closeSync(file);
}
