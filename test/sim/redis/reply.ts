import type { Keyspace } from "./keyspace.ts";

export type Reply = string | number | null | readonly Reply[];

/** What a Lua script does, once more: `keys` and `args` are its KEYS and ARGV. */
export type Script = (space: Keyspace, keys: readonly string[], args: readonly string[]) => Reply;
