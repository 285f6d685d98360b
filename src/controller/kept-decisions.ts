import { join } from "node:path";
import type { Settings } from "../config/settings.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import { decisionsDirName } from "./decision-files.ts";
import type { KeptDecisions } from "./decide.ts";

/** The journal of decisions as the settings want it, and who hears of its fate; null: they want none. */
export function keptDecisions({
  dataDir,
  settings,
  release,
  clock,
  log,
  metrics,
}: {
  readonly dataDir: string;
  readonly settings: Settings;
  readonly release: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}): KeptDecisions | null {
  const { keptMibMax } = settings.decisions;
  metrics.decisionJournalOn.set(keptMibMax > 0 ? 1 : 0);
  if (keptMibMax === 0) return null;
  const dir = join(dataDir, decisionsDirName);
  return {
    dir,
    bytesMax: keptMibMax * 1024 * 1024,
    release,
    wallMs: () => clock.wallMs(),
    onNews(news) {
      if (news.kind !== "failed") {
        metrics.decisionCycles.inc({ journal: news.kind });
        return;
      }
      metrics.decisionJournalOn.set(0);
      log.error(
        { dir, problem: news.problem },
        `decisions are not journalled until the next start: ${news.problem}`,
      );
    },
  };
}
