import type { Lease } from "../core/lease.ts";
import type { LeaseStep } from "../api/convert/lease.ts";

/** The last step of a lease whose agent knows nothing of it. Clean, since the agent itself says that nothing runs. */
export function lostStep(
  lease: Pick<Lease, "id" | "token" | "step" | "grants">,
  atMs: number,
  detail: string,
): LeaseStep {
  return {
    leaseId: lease.id,
    token: lease.token,
    step: lease.step + 1,
    state: "released",
    atMs,
    mover: "controller",
    detail,
    signalToStepMs: null,
    recallId: "",
    devices: lease.grants.map(({ device }) => device),
    end: null,
  };
}
