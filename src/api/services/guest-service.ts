import type { Settings } from "../../config/settings.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type {
  ExplainResponse,
  GuestServiceImplementation,
  Refusal,
  SubmitBatchResponse_Result as BatchResult,
  SubmitRequest,
  SubmitResponse,
} from "../../gen/gleaner/v1/guests.ts";
import { systemClock } from "../../runtime/clock.ts";
import { checkId, refuse } from "../check/fields.ts";
import {
  checkCancelRequest,
  checkListRequest,
  checkLogsRequest,
  checkSubmission,
  checkWatchRequest,
  writePageToken,
} from "../check/guest-requests.ts";
import { guestToProto } from "../convert/guest.ts";
import { mapEach, type OpenStreams } from "../open-streams.ts";
import type { Explanation, GuestDesk, Submission, SubmitOutcome } from "../ports.ts";

export function guestService(
  desk: GuestDesk,
  settings: Pick<Settings, "guest" | "queue" | "api">,
  watchers: OpenStreams,
): GuestServiceImplementation {
  return {
    async submit(request) {
      const [outcome] = await desk.submit([checkSubmission(request, "", settings, systemClock.wallMs())]);
      if (outcome === undefined) throw new Error("the desk did not answer for the guest");
      if ("refused" in outcome) throw outcome.refused;
      return submitted(outcome);
    },

    async submitBatch({ requests }) {
      const { batchMax } = settings.queue;
      if (requests.length === 0) refuse("requests", "empty; send at least one guest");
      if (requests.length > batchMax)
        throw new GleanerError("BATCH_TOO_LARGE", { count: requests.length, countMax: batchMax });
      return { results: await submitEach(desk, requests, settings) };
    },

    async get({ id }) {
      checkId(id, "id");
      return { guest: guestToProto(await desk.get(id)) };
    },

    async list(request) {
      const page = await desk.list(checkListRequest(request, settings));
      return {
        guests: page.guests.map(guestToProto),
        nextPageToken: writePageToken(page.nextAfterSequence),
      };
    },

    async cancel(request) {
      checkCancelRequest(request);
      return { guest: guestToProto(await desk.cancel(request.id, request.reason)) };
    },

    watch(request, { signal }) {
      const filter = checkWatchRequest(request);
      return watchers.serve(signal, (open) =>
        mapEach(desk.watch(filter, open), ({ guest, atMs }) => ({
          guest: guestToProto(guest),
          at: new Date(atMs),
        })),
      );
    },

    async explain({ id }) {
      checkId(id, "id");
      return explanationToProto(await desk.explain(id));
    },

    logs(request, { signal }) {
      const query = checkLogsRequest(request);
      return watchers.serve(signal, (open) => desk.logs(query, open));
    },
  };
}

/** Each member is accepted or refused by itself, in the order of the request. */
async function submitEach(
  desk: GuestDesk,
  requests: readonly SubmitRequest[],
  settings: Pick<Settings, "guest">,
): Promise<BatchResult[]> {
  const nowMs = systemClock.wallMs();
  const submissions: Submission[] = [];
  const places = requests.map((request, index) => {
    try {
      return submissions.push(checkSubmission(request, `requests[${index}].`, settings, nowMs)) - 1;
    } catch (thrown) {
      if (thrown instanceof GleanerError) return thrown;
      throw thrown;
    }
  });
  const outcomes = submissions.length === 0 ? [] : await desk.submit(submissions);
  return places.map((place) =>
    batchResult(place instanceof GleanerError ? { refused: place } : outcomes[place]),
  );
}

function batchResult(outcome: SubmitOutcome | undefined): BatchResult {
  if (outcome === undefined) throw new Error("the desk did not answer for every guest");
  return "refused" in outcome
    ? { outcome: { $case: "refused", value: refusalToProto(outcome.refused) } }
    : { outcome: { $case: "accepted", value: withoutSpec(submitted(outcome)) } };
}

/** The sender has it; to write and read 500 of them again would cost a third of the call. */
function withoutSpec({ guest, created }: SubmitResponse): SubmitResponse {
  return { guest: guest && { ...guest, spec: undefined }, created };
}

function submitted({ accepted, created }: Extract<SubmitOutcome, { created: boolean }>): SubmitResponse {
  return { guest: guestToProto(accepted), created };
}

function refusalToProto({ code, field, message, remedy }: GleanerError): Refusal {
  return { code, field, message, remedy };
}

function explanationToProto(explanation: Explanation): ExplainResponse {
  const { guest, waitingSinceMs, obstacles, ...rest } = explanation;
  return {
    ...rest,
    guest: guestToProto(guest),
    waitingSince: new Date(waitingSinceMs),
    obstacles: [...obstacles],
  };
}
