import type { CallContext } from "nice-grpc";
import type { Settings } from "../../config/settings.ts";
import {
  ReportServiceDefinition,
  type GetReportRequest,
  type ReportServiceImplementation,
} from "../../gen/gleaner/v1/reports.ts";
import { checkDecisionsRequest, checkFleetInterval, checkReportRequest } from "../check/report-requests.ts";
import { decisionToProto, fleetToProto } from "../convert/report.ts";
import { mapEach, type OpenStreams } from "../open-streams.ts";
import type { EncodedReport, ReportDesk } from "../ports.ts";

const { methods } = ReportServiceDefinition;

/** Passed on as it is. */
const encodedReport = {
  encode: (report: EncodedReport) => ({
    finish: () => Buffer.from(report.buffer, report.byteOffset, report.byteLength),
  }),
  decode: (bytes: Uint8Array): EncodedReport => new Uint8Array(bytes),
};

/** The service as it is on the wire, but that a report comes from its desk encoded. */
export const encodedReportService = {
  ...ReportServiceDefinition,
  methods: { ...methods, getReport: { ...methods.getReport, responseType: encodedReport } },
} as const;

interface EncodedReportService extends Omit<ReportServiceImplementation, "getReport"> {
  getReport(request: GetReportRequest, context: CallContext): Promise<EncodedReport>;
}

export function reportService(
  desk: ReportDesk,
  settings: Pick<Settings, "api">,
  watchers: OpenStreams,
): EncodedReportService {
  return {
    async getReport(request, { signal }) {
      return desk.report(checkReportRequest(request), signal);
    },

    watchFleet(request, { signal }) {
      const intervalMs = checkFleetInterval(request);
      return watchers.serve(signal, (open) => mapEach(desk.watchFleet(intervalMs, open), fleetToProto));
    },

    async listDecisions(request, { signal }) {
      const decisions = await desk.decisions(checkDecisionsRequest(request, settings), signal);
      return { decisions: decisions.map(decisionToProto) };
    },
  };
}
