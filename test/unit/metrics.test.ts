import { describe, expect, it } from "vitest";
import { createMetrics } from "../../src/runtime/metrics.ts";

describe("createMetrics", () => {
  it("names every figure that the dashboards count on", async () => {
    const names = (await createMetrics({ version: "1.2.3" }).registry.getMetricsAsJSON()).map(
      ({ name }) => name,
    );
    expect(names.filter((name) => name.startsWith("gleaner_")).toSorted()).toEqual([
      "gleaner_agents_connected",
      "gleaner_build_info",
      "gleaner_cycle_seconds",
      "gleaner_decision_cycles_total",
      "gleaner_decision_journal_on",
      "gleaner_devices",
      "gleaner_early_moves_total",
      "gleaner_evictions_total",
      "gleaner_forecast_came_ratio",
      "gleaner_forecast_said_ratio",
      "gleaner_guests",
      "gleaner_leases_total",
      "gleaner_ledger_stream_entries",
      "gleaner_lend_refused_total",
      "gleaner_lends_total",
      "gleaner_meetings_total",
      "gleaner_owner_wait_seconds",
      "gleaner_queue_waiting",
      "gleaner_recall_seconds",
      "gleaner_rpcs_total",
      "gleaner_samples_total",
    ]);
    expect(names).toContain("process_cpu_seconds_total");
  });

  it("keeps two processes' worth of metrics apart", async () => {
    const [one, other] = [createMetrics({ version: "1" }), createMetrics({ version: "2" })];
    one.meetings.inc({ pool: "a" }, 3);
    expect(await one.registry.metrics()).toContain('gleaner_meetings_total{pool="a"} 3');
    expect(await other.registry.metrics()).not.toContain('pool="a"');
  });

  it("tells a freeze of milliseconds from one of seconds", async () => {
    const { recallSeconds, registry } = createMetrics({ version: "1" });
    recallSeconds.observe({ pool: "a", rung: "pause", stage: "frozen" }, 0.004);
    const text = await registry.metrics();
    expect(text).toContain(
      'gleaner_recall_seconds_bucket{le="0.0025",pool="a",rung="pause",stage="frozen"} 0',
    );
    expect(text).toContain(
      'gleaner_recall_seconds_bucket{le="0.005",pool="a",rung="pause",stage="frozen"} 1',
    );
  });
});
