import { attemptName } from "../disk/lease-dirs.ts";
import type { LeaseRunner } from "./lease-runner.ts";

/** The leases that this agent still has something to say of, by their ids and by their devices. */
export class LeaseTable {
  readonly #byId = new Map<string, LeaseRunner>();
  readonly #byAttempt = new Map<string, LeaseRunner>();
  readonly #byDevice = new Map<string, Set<LeaseRunner>>();

  add(runner: LeaseRunner): void {
    this.#byId.set(runner.record.leaseId, runner);
    this.#byAttempt.set(attemptName(runner.record), runner);
    for (const device of runner.record.devices) {
      const beside = this.#byDevice.get(device) ?? new Set();
      this.#byDevice.set(device, beside.add(runner));
    }
  }

  remove(runner: LeaseRunner): void {
    this.#byId.delete(runner.record.leaseId);
    this.#byAttempt.delete(attemptName(runner.record));
    for (const device of runner.record.devices) {
      const beside = this.#byDevice.get(device);
      beside?.delete(runner);
      if (beside?.size === 0) this.#byDevice.delete(device);
    }
  }

  get(leaseId: string): LeaseRunner | undefined {
    return this.#byId.get(leaseId);
  }

  /** By the name under which the attempt's files and processes are found. */
  ofAttempt(name: string): LeaseRunner | undefined {
    return this.#byAttempt.get(name);
  }

  guests(): Set<string> {
    return new Set(this.all().map(({ record }) => record.guestId));
  }

  all(): LeaseRunner[] {
    return [...this.#byId.values()];
  }

  /** Leases that have not given the device back, quarantined ones included. */
  holding(device: string): LeaseRunner[] {
    return [...(this.#byDevice.get(device) ?? [])].filter((runner) => runner.state !== "released");
  }

  lentDevices(): string[] {
    return [...this.#byDevice.keys()].filter((device) => this.holding(device).length > 0);
  }
}
