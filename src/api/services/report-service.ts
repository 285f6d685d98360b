import type { Settings } from "../../config/settings.ts";
import type { ReportServiceImplementation } from "../../gen/gleaner/v1/reports.ts";
import { checkDecisionsRequest, checkFleetInterval, checkReportRequest } from "../check/report-requests.ts";
import { decisionToProto, fleetToProto, reportToProto } from "../convert/report.ts";
import { mapEach, type OpenStreams } from "../open-streams.ts";
import type { ReportDesk } from "../ports.ts";

export function reportService(
  desk: ReportDesk,
  settings: Pick<Settings, "api">,
  watchers: OpenStreams,
): ReportServiceImplementation {
  return {
    async getReport(request) {
      return reportToProto(await desk.report(checkReportRequest(request)));
    },

    watchFleet(request, { signal }) {
      const intervalMs = checkFleetInterval(request);
      return watchers.serve(signal, (open) => mapEach(desk.watchFleet(intervalMs, open), fleetToProto));
    },

    async listDecisions(request) {
      const decisions = await desk.decisions(checkDecisionsRequest(request, settings));
      return { decisions: decisions.map(decisionToProto) };
    },
  };
}
