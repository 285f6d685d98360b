import type { ReportQuery } from "../api/ports.ts";
import type { Calibration } from "../core/forecast/calibration.ts";
import type { ForecastAudit } from "../core/forecast/forecast-audit.ts";
import type { ReportCalibration } from "../report/report.ts";
import type { Clock } from "../runtime/clock.ts";
import { Slices } from "./slices.ts";

const dayMs = 24 * 3_600_000;

/** What the forecast said of owners, held against what they did, for reports and gauges. It lives with this process: another begins anew. */
export class ForecastRecord {
  readonly #audit: ForecastAudit;
  readonly #clock: Clock;
  readonly #speed: number;
  readonly #beganMs: number;

  /** The audit is in owners' time, `speed` times as fast as the clock. */
  constructor(audit: ForecastAudit, clock: Clock, speed: number) {
    this.#audit = audit;
    this.#clock = clock;
    this.#speed = speed;
    this.#beganMs = clock.monotonicMs();
  }

  /** Within the range of the report. Many pools are told in slices, so that no recall waits for them. */
  async calibration({ fromMs, toMs, pool: only }: ReportQuery): Promise<ReportCalibration> {
    const wallMs = this.#clock.wallMs() - this.#clock.monotonicMs();
    const from = fromMs === null ? -Infinity : (fromMs - wallMs) * this.#speed;
    const to = toMs === null ? Infinity : (toMs - wallMs) * this.#speed;
    const slices = new Slices(this.#clock);
    const group = only === "" ? null : only;
    const pools = [];
    for (const pool of group === null ? this.#audit.pools() : [group]) {
      pools.push({ pool, horizons: this.#audit.figures(pool, from, to) });
      await slices.breathe();
    }
    const firstMs = this.#audit.fromMs(group, from, to) ?? from;
    return {
      fromMs: Math.round(wallMs + Math.max(this.#beganMs, firstMs / this.#speed)),
      total: this.#audit.figures(group, from, to),
      pools,
    };
  }

  /** Of all devices, over about a day of the owners'. */
  lastDay(): readonly Calibration[] {
    return this.#audit.figures(null, this.#clock.monotonicMs() * this.#speed - dayMs);
  }
}
