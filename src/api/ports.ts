import type { Category } from "../core/account-category.ts";
import type { GuestSpec, GuestState } from "../core/guest.ts";
import type { Hold, Target } from "../core/target.ts";
import type { PoolPolicy, Rung } from "../core/policy.ts";
import type { ConnectRequest, ConnectResponse } from "../gen/gleaner/v1/agents.ts";
import type { GleanerError } from "../errors/gleaner-error.ts";

/**
 * What the gRPC services ask of the rest of the process. Requests are checked before they come here, answers are plain
 * values of the core; every failure is a GleanerError. The controller implements all of it.
 */

export interface Submission {
  readonly spec: GuestSpec;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

export type SubmitOutcome =
  | { readonly accepted: GuestView; readonly created: boolean }
  | { readonly refused: GleanerError };

/** A guest and where it stands. Times are wall clock, ms. */
export interface GuestView {
  readonly id: string;
  readonly spec: GuestSpec;
  readonly state: GuestState;
  readonly reason: string;
  readonly submittedAtMs: number;
  readonly sequence: number;
  readonly attempts: number;
  readonly failures: number;
  readonly evictions: number;
  /** Empty unless an attempt lives. */
  readonly leaseId: string;
  readonly host: string;
  readonly devices: readonly string[];
  readonly exitCode: number | null;
  readonly endedAtMs: number | null;
  readonly usefulDeviceMs: number;
  readonly lostDeviceMs: number;
  /** It ends with its live attempt. */
  readonly cancelling: boolean;
}

export interface GuestQuery {
  /** Empty: all. */
  readonly tenant: string;
  readonly states: readonly GuestState[];
  readonly pageSize: number;
  /** Guests with a larger sequence only; 0 for the first page. */
  readonly afterSequence: number;
}

export interface GuestPage {
  readonly guests: readonly GuestView[];
  /** null on the last page. */
  readonly nextAfterSequence: number | null;
}

export interface WatchFilter {
  readonly ids: readonly string[];
  readonly tenant: string;
  readonly changesOnly: boolean;
}

export interface GuestChange {
  readonly guest: GuestView;
  readonly atMs: number;
}

export interface Explanation {
  readonly guest: GuestView;
  readonly reasonCode: string;
  readonly reason: string;
  readonly waitingSinceMs: number;
  readonly placeInTenant: number;
  readonly waitingTotal: number;
  readonly tenantDeviceSeconds: number;
  readonly tenantWeight: number;
  readonly obstacles: readonly {
    readonly reasonCode: string;
    readonly reason: string;
    readonly devices: number;
  }[];
}

export interface LogQuery {
  readonly id: string;
  /** 0: the latest. */
  readonly attempt: number;
  /** 0: all. */
  readonly tailBytes: number;
  readonly follow: boolean;
}

export interface LogPiece {
  readonly data: Uint8Array;
  readonly attempt: number;
  readonly droppedBytes: number;
}

export interface GuestDesk {
  /** Durable when it resolves. Answers keep the order of the submissions. */
  submit(submissions: readonly Submission[]): Promise<readonly SubmitOutcome[]>;
  get(id: string): Promise<GuestView>;
  list(query: GuestQuery): Promise<GuestPage>;
  cancel(id: string, reason: string): Promise<GuestView>;
  watch(filter: WatchFilter, signal: AbortSignal): AsyncIterable<GuestChange>;
  explain(id: string): Promise<Explanation>;
  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogPiece>;
}

export type RecallStage =
  | "accepted"
  | "paused"
  | "vacating"
  | "killing"
  | "released"
  | "deadline_missed"
  | "withdrawn";

export interface RecallOrder {
  readonly target: Target;
  /** null: the pool's. */
  readonly deadlineMs: number | null;
  readonly firstRung: Rung | null;
  readonly reason: string;
  readonly holdMs: number | null;
}

export interface RecallProgress {
  readonly recallId: string;
  readonly device: string;
  readonly stage: RecallStage;
  readonly elapsedMs: number;
  readonly leaseId: string;
  readonly detail: string;
  readonly outstanding: number;
}

export interface RecallDesk {
  /** Needs neither the leader nor Redis (I0). Ends when every device reached a final stage. */
  recall(order: RecallOrder, signal: AbortSignal): AsyncIterable<RecallProgress>;
}

export interface OwnerDesk extends RecallDesk {
  busy(
    target: Target,
    ttlMs: number,
    reason: string,
  ): Promise<{ devicesPaused: number; expiresAtMs: number }>;
  idle(target: Target): Promise<{ hintsEnded: number; recallsWithdrawn: number }>;
  hold(target: Target, ttlMs: number | null, reason: string, recall: boolean): Promise<Hold>;
  unhold(which: { readonly id: string } | { readonly target: Target }): Promise<readonly Hold[]>;
  holds(): Promise<readonly Hold[]>;
  setPolicy(policy: PoolPolicy): Promise<PoolPolicy>;
  policies(): Promise<readonly PoolPolicy[]>;
}

export interface ReportQuery {
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly pricePerGpuHour: number;
  readonly pool: string;
}

export interface FleetDevice {
  readonly uuid: string;
  readonly pool: string;
  readonly host: string;
  readonly owner: "busy" | "idle" | "unknown";
  readonly ownerStateAgeMs: number;
  readonly category: Category;
  readonly reason: string;
  readonly leases: readonly {
    readonly leaseId: string;
    readonly guestId: string;
    readonly tenant: string;
    readonly state: string;
    readonly sharePermille: number;
  }[];
  readonly staysIdle1Min: number;
}

export interface FleetView {
  readonly atMs: number;
  readonly devices: readonly FleetDevice[];
  readonly guestsByState: Readonly<Partial<Record<GuestState, number>>>;
  readonly agents: number;
  readonly epoch: number;
}

export interface DecisionQuery {
  readonly device: string;
  readonly guestId: string;
  readonly pageSize: number;
}

export interface DecisionView {
  readonly atMs: number;
  readonly kind: string;
  readonly device: string;
  readonly guestId: string;
  readonly leaseId: string;
  readonly reasonCode: string;
  readonly reason: string;
  readonly forecastHash: string;
}

/** A GetReportResponse as it goes over the wire: the report of a large fleet is encoded where it is computed. */
export type EncodedReport = Uint8Array<ArrayBuffer>;

export interface ReportDesk {
  report(query: ReportQuery, signal: AbortSignal): Promise<EncodedReport>;
  watchFleet(intervalMs: number, signal: AbortSignal): AsyncIterable<FleetView>;
  decisions(query: DecisionQuery, signal: AbortSignal): Promise<readonly DecisionView[]>;
}

export interface AgentDesk {
  /** One agent's stream; ends when either side does. */
  connect(incoming: AsyncIterable<ConnectRequest>, signal: AbortSignal): AsyncIterable<ConnectResponse>;
}
