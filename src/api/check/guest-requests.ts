import type { Settings } from "../../config/settings.ts";
import type * as wire from "../../gen/gleaner/v1/guests.ts";
import { guestStates } from "../convert/guest.ts";
import type { GuestQuery, LogQuery, Submission, WatchFilter } from "../ports.ts";
import { checkCount, checkId, checkNameOrEmpty, checkText, grouped, quote, refuse } from "./fields.ts";
import { checkSpec } from "./spec.ts";

const watchedIdsMax = 1_000;
const reasonCharactersMax = 512;

/** `path` ends in a dot where the submission is one of a batch. */
export function checkSubmission(
  message: wire.SubmitRequest,
  path: string,
  settings: Pick<Settings, "guest">,
  nowMs: number,
): Submission {
  checkText(message.idempotencyKey, `${path}idempotency_key`, 128);
  return {
    spec: checkSpec(message.spec, `${path}spec`, settings.guest, nowMs),
    idempotencyKey: message.idempotencyKey,
  };
}

export function checkListRequest(message: wire.ListRequest, settings: Pick<Settings, "api">): GuestQuery {
  checkNameOrEmpty(message.tenant, "tenant");
  checkCount(message.states.length, "states", 64);
  return {
    tenant: message.tenant,
    states: message.states.map((state, index) => guestStates.fromWire(state, `states[${index}]`)),
    pageSize: checkPageSize(message.pageSize, settings),
    afterSequence: readPageToken(message.pageToken),
  };
}

export function checkPageSize(pageSize: number, { api }: Pick<Settings, "api">): number {
  if (pageSize > api.pageSizeMax)
    refuse("page_size", `${grouped(pageSize)}; at most ${grouped(api.pageSizeMax)} are given`);
  return pageSize || api.pageSize;
}

/** The sequence of the page's last guest. */
export function writePageToken(nextAfterSequence: number | null): string {
  return nextAfterSequence === null ? "" : `${nextAfterSequence}`;
}

function readPageToken(token: string): number {
  if (token === "") return 0;
  if (!/^\d{1,15}$/.test(token))
    refuse("page_token", `${quote(token)} is none that List gave; begin again without one`);
  return Number(token);
}

export function checkCancelRequest(message: wire.CancelRequest): void {
  checkId(message.id, "id");
  checkText(message.reason, "reason", reasonCharactersMax);
}

export function checkWatchRequest(message: wire.WatchRequest): WatchFilter {
  checkNameOrEmpty(message.tenant, "tenant");
  checkCount(message.ids.length, "ids", watchedIdsMax);
  for (const [index, id] of message.ids.entries()) checkId(id, `ids[${index}]`);
  return message;
}

export function checkLogsRequest(message: wire.LogsRequest): LogQuery {
  checkId(message.id, "id");
  return message;
}
