import type {
  DecisionQuery,
  DecisionView,
  EncodedReport,
  FleetDevice,
  FleetView,
  ReportDesk,
  ReportQuery,
} from "../api/ports.ts";
import type { GuestQueue } from "../queue/guest-queue.ts";
import type { Clock } from "../runtime/clock.ts";
import { unlessAborted } from "../runtime/turns.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import type { Reign } from "./reign.ts";
import type { Device, Fleet } from "./fleet.ts";
import { categoryOf, reasonOf } from "./fleet-view.ts";
import { countGuests } from "./gauges.ts";
import type { Journal } from "./journal.ts";
import type { LeaseSteps } from "./lease-steps.ts";
import type { OwnerNumbers } from "../report/report.ts";
import type { OwnerForecast } from "./owner-forecast.ts";
import type { Books } from "./surroundings.ts";

const minuteMs = 60_000;

interface ReportsParts {
  readonly fleet: Fleet;
  readonly queue: GuestQueue;
  readonly books: Books;
  readonly journal: Journal;
  readonly steps: LeaseSteps;
  readonly forecast: OwnerForecast;
  readonly signals: OwnerSignals;
  readonly reign: Reign;
  readonly clock: Clock;
}

/** What the platform team may ask for. */
export class Reports implements ReportDesk {
  readonly #parts: ReportsParts;

  constructor(parts: ReportsParts) {
    this.#parts = parts;
  }

  /** Up to the moment: what is on its way to the books is waited for. */
  async report(query: ReportQuery, signal: AbortSignal): Promise<EncodedReport> {
    await unlessAborted(this.#catchUp(), signal);
    const { books, queue, forecast, signals, fleet } = this.#parts;
    const numbersOf = (pool: string): OwnerNumbers => {
      const { meetingsPerGpuDayMax, waitedShareMax } = signals.policyOf(pool);
      return { meetingsPerGpuDayMax, waitedShareMax };
    };
    const live = {
      waiting: queue.waitingTotal(),
      ownerNumbers: new Map(fleet.pools().map((pool) => [pool, numbersOf(pool)])),
      calibration: await forecast.record.calibration(query),
    };
    return books.report(query, live, signal);
  }

  async decisions(query: DecisionQuery, signal: AbortSignal): Promise<readonly DecisionView[]> {
    await unlessAborted(this.#catchUp(), signal);
    return this.#parts.books.decisions(query, signal);
  }

  async *watchFleet(intervalMs: number, signal: AbortSignal): AsyncIterable<FleetView> {
    while (!signal.aborted) {
      yield this.#fleetNow();
      await this.#parts.clock.sleep(intervalMs, signal);
    }
  }

  /** What happened is in the ledger's stream, from which the books take it. */
  async #catchUp(): Promise<void> {
    const { steps, journal } = this.#parts;
    await steps.flush();
    journal.write({ type: "alive", atMs: this.#parts.clock.wallMs() });
    await journal.flush();
  }

  #fleetNow(): FleetView {
    const { fleet, queue, books, clock, reign } = this.#parts;
    const nowMs = clock.monotonicMs();
    return {
      atMs: clock.wallMs(),
      devices: [...fleet.devices.values()].map((device) => this.#deviceNow(device, nowMs)),
      guestsByState: countGuests(fleet, queue, books),
      agents: fleet.agents.size,
      epoch: reign.epoch,
    };
  }

  #deviceNow(device: Device, nowMs: number): FleetDevice {
    const { info } = device;
    const owner = device.tracker.at(nowMs);
    const leases = [...device.leases.values()].map(({ lease }) => lease);
    return {
      uuid: info.uuid,
      pool: info.pool,
      host: info.host,
      owner: owner.state,
      ownerStateAgeMs: Math.max(0, nowMs - owner.sinceMs),
      category: categoryOf(device, nowMs),
      reason: reasonOf(device, nowMs),
      leases: leases.map((lease) => ({
        leaseId: lease.id,
        guestId: lease.guestId,
        tenant: lease.tenant,
        state: lease.state,
        sharePermille: lease.grants.find((grant) => grant.device === info.uuid)?.sharePermille ?? 0,
      })),
      staysIdle1Min:
        owner.state === "idle" ? (this.#parts.forecast.curve(info.uuid)?.survivalAt(minuteMs) ?? 0) : 0,
    };
  }
}
