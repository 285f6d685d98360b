import type { Settings } from "../../config/settings.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { OwnerServiceImplementation } from "../../gen/gleaner/v1/owners.ts";
import {
  checkBusyRequest,
  checkHoldRequest,
  checkPolicy,
  checkRecallRequest,
  checkUnholdRequest,
  checkWholeTarget,
} from "../check/owner-requests.ts";
import { policyToProto } from "../convert/policy.ts";
import { recallProgressToProto } from "../convert/recall.ts";
import { holdToProto } from "../convert/target.ts";
import { mapEach, whileRead } from "../open-streams.ts";
import type { OwnerDesk, RecallDesk } from "../ports.ts";

export function ownerService(
  desk: OwnerDesk,
  settings: Pick<Settings, "api" | "guest" | "terms" | "recall">,
): OwnerServiceImplementation {
  return {
    recall: recallMethod(desk, settings),

    async busy(request) {
      const { target, ttlMs, reason } = checkBusyRequest(request, settings);
      const { devicesPaused, expiresAtMs } = await desk.busy(target, ttlMs, reason);
      return { devicesPaused, expiresAt: new Date(expiresAtMs) };
    },

    async idle({ target }) {
      return desk.idle(checkWholeTarget(target));
    },

    async hold(request) {
      const { target, ttlMs, reason } = checkHoldRequest(request);
      return { hold: holdToProto(await desk.hold(target, ttlMs, reason, request.recall)) };
    },

    async unhold(request) {
      return { ended: (await desk.unhold(checkUnholdRequest(request))).map(holdToProto) };
    },

    async listHolds() {
      return { holds: (await desk.holds()).map(holdToProto) };
    },

    async setPolicy({ policy }) {
      return { policy: policyToProto(await desk.setPolicy(checkPolicy(policy, settings))) };
    },

    async listPolicies() {
      return { policies: (await desk.policies()).map(policyToProto) };
    },
  };
}

/** What an agent serves of it: revoking needs no controller (I0), everything else does. */
export function recallOnlyService(
  desk: RecallDesk,
  settings: Pick<Settings, "api">,
): OwnerServiceImplementation {
  const elsewhere = (method: string) => () =>
    Promise.reject(new GleanerError("NOT_SERVED_HERE", { method: `OwnerService.${method}` }));
  return {
    recall: recallMethod(desk, settings),
    busy: elsewhere("Busy"),
    idle: elsewhere("Idle"),
    hold: elsewhere("Hold"),
    unhold: elsewhere("Unhold"),
    listHolds: elsewhere("ListHolds"),
    setPolicy: elsewhere("SetPolicy"),
    listPolicies: elsewhere("ListPolicies"),
  };
}

/** The desk hears of the recall before anything is awaited, and it goes on when its caller does not read. */
function recallMethod(
  desk: RecallDesk,
  { api }: Pick<Settings, "api">,
): OwnerServiceImplementation["recall"] {
  return (request, { signal }) => {
    const progress = desk.recall(checkRecallRequest(request), signal);
    return whileRead(mapEach(progress, recallProgressToProto), api.watchStalledMsMax);
  };
}
