import type { Clients } from "../../src/api/client.ts";
import { cliBadInputs } from "./bad-cli-inputs.ts";
import { rpcBadInputs } from "./bad-rpc-inputs.ts";

/** What a bad input may be sent to. */
export interface BadInputWorld {
  /** Of a running controller's API. */
  readonly address: string;
  readonly clients: Clients;
}

/** One row of the table in docs/errors.md. */
export interface BadInput {
  /** What was sent, in words. */
  readonly name: string;
  /** Where it came in, for instance `Submit` or `gleaner submit`. */
  readonly surface: string;
  /** Sends it and answers with what was printed; throws if it was taken. */
  readonly send: (world: BadInputWorld) => Promise<string>;
}

export const badInputs: readonly BadInput[] = [...rpcBadInputs, ...cliBadInputs];
