import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Redis, Result } from "ioredis";

type Word = string | number;

declare module "ioredis" {
  interface RedisCommander<Context> {
    gleanerTakeLead(...args: Word[]): Result<[answer: string, ...Word[]], Context>;
    gleanerHoldLead(...args: Word[]): Result<number | null, Context>;
    gleanerRaiseGeneration(...args: Word[]): Result<number | null, Context>;
    gleanerLend(...args: Word[]): Result<[answer: string, detail: string], Context>;
    gleanerApplyStep(...args: Word[]): Result<[answer: string, detail: string], Context>;
    gleanerCancel(...args: Word[]): Result<string | null, Context>;
    gleanerRenew(...args: Word[]): Result<string[] | null, Context>;
    gleanerSetQuarantine(...args: Word[]): Result<number | null, Context>;
    gleanerSetMemoryBefore(...args: Word[]): Result<number | null, Context>;
    gleanerAppendEvents(...args: Word[]): Result<[written: number, length: number], Context>;
    gleanerNoteBooks(...args: Word[]): Result<string, Context>;
  }
}

const keysOf = {
  "take-lead": 2,
  "hold-lead": 2,
  "raise-generation": 1,
  lend: 6,
  "apply-step": 8,
  cancel: 4,
  renew: 2,
  "set-quarantine": 3,
  "set-memory-before": 2,
  "append-events": 1,
  "note-books": 3,
};

const scripts = Object.entries(keysOf).map(([file, numberOfKeys]) => ({
  command: `gleaner${file.replace(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase())}`,
  numberOfKeys,
  lua: source("common") + source(file),
}));

/** Gives the connection its `gleaner…` commands, one for each script. Each takes its keys, then its arguments. */
export function defineScripts(redis: Redis): void {
  for (const { command, numberOfKeys, lua } of scripts) redis.defineCommand(command, { numberOfKeys, lua });
}

function source(file: string): string {
  return readFileSync(join(import.meta.dirname, "scripts", `${file}.lua`), "utf8");
}
