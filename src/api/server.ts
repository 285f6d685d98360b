import type { Settings } from "../config/settings.ts";
import { AgentServiceDefinition } from "../gen/gleaner/v1/agents.ts";
import { GuestServiceDefinition } from "../gen/gleaner/v1/guests.ts";
import { OwnerServiceDefinition } from "../gen/gleaner/v1/owners.ts";
import { addService, listenWith, type ListenOptions, type RunningServer } from "./listening.ts";
import type { AgentDesk, GuestDesk, OwnerDesk, RecallDesk, ReportDesk } from "./ports.ts";
import { agentService } from "./services/agent-service.ts";
import { guestService } from "./services/guest-service.ts";
import { ownerService, recallOnlyService } from "./services/owner-service.ts";
import { encodedReportService, reportService } from "./services/report-service.ts";

export type { RunningServer } from "./listening.ts";

export interface Desks {
  readonly guests: GuestDesk;
  readonly owners: OwnerDesk;
  readonly reports: ReportDesk;
  readonly agents: AgentDesk;
}

export interface ApiServerOptions extends ListenOptions {
  readonly desks: Desks;
  readonly settings: Pick<Settings, "api" | "guest" | "queue" | "recall" | "terms">;
}

/** The controller's gRPC server. Throws INSECURE_LISTEN or LISTEN_FAILED. */
export async function startApiServer(options: ApiServerOptions): Promise<RunningServer> {
  const { desks, settings } = options;
  const definitions = [
    GuestServiceDefinition,
    OwnerServiceDefinition,
    encodedReportService,
    AgentServiceDefinition,
  ];
  const names = definitions.map(({ fullName }) => fullName);
  return listenWith(options, names, (server, { watchers, sessions }) => {
    addService(server, GuestServiceDefinition, guestService(desks.guests, settings, watchers));
    addService(server, OwnerServiceDefinition, ownerService(desks.owners, settings));
    addService(server, encodedReportService, reportService(desks.reports, settings, watchers));
    addService(server, AgentServiceDefinition, agentService(desks.agents, sessions));
  });
}

export interface RecallServerOptions extends ListenOptions {
  readonly desk: RecallDesk;
}

/** An agent's own OwnerService, of which it serves Recall. Throws INSECURE_LISTEN or LISTEN_FAILED. */
export async function createRecallServer(options: RecallServerOptions): Promise<RunningServer> {
  return listenWith(options, [OwnerServiceDefinition.fullName], (server) =>
    addService(server, OwnerServiceDefinition, recallOnlyService(options.desk, options.settings)),
  );
}
