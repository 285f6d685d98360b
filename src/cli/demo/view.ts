import { fleetFromProto, reportFromProto } from "../../api/convert/report.ts";
import type { FleetView } from "../../api/ports.ts";
import { returnRungs, type Report } from "../../report/report.ts";
import type { Cli } from "../cli.ts";
import type { Clients } from "../connect.ts";
import { formatDuration } from "../duration.ts";
import { fleetLine, fleetTable } from "../fleet-table.ts";
import { LiveScreen } from "../live-screen.ts";
import { isAbort } from "./is-abort.ts";

const lineIntervalMs = 5_000;
const newsMax = 4;

/** What goes on while the demonstration runs: a table that is redrawn on a terminal, elsewhere a line every few seconds. */
export class DemoView {
  readonly #cli: Cli;
  readonly #screen = new LiveScreen();
  readonly #startedAtMs = performance.now();
  readonly #seconds: number;
  #news: string[] = [];
  #lineAtMs = -Infinity;
  #live = false;
  #latest: FleetView | null = null;

  constructor(cli: Cli, seconds: number) {
    this.#cli = cli;
    this.#seconds = seconds;
  }

  /** Something that happened: a line of its own, or one of the last few below the table. */
  say(line: string): void {
    if (this.#live && this.#cli.isTerminal) this.#news = [...this.#news, line].slice(-newsMax);
    else this.#cli.note(line);
  }

  /** As they were seen last. */
  get devices(): FleetView["devices"] {
    return this.#latest?.devices ?? [];
  }

  /** Until the signal aborts. */
  async follow({ reports }: Clients, signal: AbortSignal): Promise<void> {
    this.#live = true;
    try {
      for await (const message of reports.watchFleet({ intervalMs: 1_000 }, { signal })) {
        const report = reportFromProto(await reports.getReport({}, { signal }));
        this.#latest = fleetFromProto(message);
        this.#show(this.#latest, report.returnsByRung);
      }
    } catch (thrown) {
      if (!isAbort(thrown, signal)) throw thrown;
    } finally {
      this.#live = false;
      this.#screen.leave();
    }
  }

  #show(view: FleetView, returns: Report["returnsByRung"]): void {
    const nowMs = performance.now();
    const elapsed = `${formatDuration(nowMs - this.#startedAtMs)} of ${this.#seconds}s`;
    const served = `returns served: ${returnRungs.map((rung) => `${rung} ${returns[rung]}`).join(", ")}`;
    if (this.#cli.isTerminal) {
      const head = `${this.#cli.paint.bold("gleaner demo")}  ${elapsed}  ${served}`;
      const table = fleetTable(this.#cli.paint, view, this.#screen.rows - 1 - newsMax);
      this.#screen.show([head, table, ...this.#news.map((line) => this.#cli.paint.dim(line))].join("\n"));
    } else if (nowMs - this.#lineAtMs >= lineIntervalMs) {
      this.#lineAtMs = nowMs;
      this.#cli.print(`${elapsed.padStart(11)}  ${fleetLine(view)}; ${served}`);
    }
  }
}
