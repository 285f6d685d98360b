import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { systemClock } from "../../../src/runtime/clock.ts";

/** When the recordings begin. */
export const recordedSinceMs = Date.parse("2026-03-01T00:00:00Z");

export interface RecordedSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly (readonly [atMs: number, value: string])[];
}

export interface Asked {
  readonly endMs: number;
  readonly rangeMs: number;
  readonly authorization: string | null;
  /** Of the URL that was asked, with its question mark. */
  readonly search: string;
}

/** For one hour of it; the address is missing. */
export const asking = {
  timeoutMs: 10_000,
  // Does not wait before it asks again.
  clock: { ...systemClock, sleep: async () => {} },
  preset: "dcgm" as const,
  poolLabel: null,
  note: () => {},
  sinceMs: recordedSinceMs,
  untilMs: recordedSinceMs + 3_600_000,
};

/** Utilisation, a value each 30 s from the beginning on. */
export function utilOf(
  labels: RecordedSeries["labels"],
  values: readonly string[],
  sinceMs = recordedSinceMs,
): RecordedSeries {
  return {
    labels: { __name__: "DCGM_FI_DEV_GPU_UTIL", ...labels },
    samples: values.map((value, index) => [sinceMs + 30_000 * index, value] as const),
  };
}

/** Answers instead of the recording; false: the recording answers. */
type Trouble = (response: ServerResponse, asked: Asked, count: number) => boolean;

/** An HTTP server that speaks the part of Prometheus' API that reads raw samples; its ranges leave out their begin, as since release 3. */
export async function startPrometheus(
  series: readonly RecordedSeries[],
  trouble: Trouble = () => false,
): Promise<AsyncDisposable & { readonly url: string; readonly asked: readonly Asked[] }> {
  const asked: Asked[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const form = new URLSearchParams(await text(request));
    const [, selector = "", range = ""] = /^(\{.*\})\[(\d+)ms\]$/.exec(form.get("query") ?? "") ?? [];
    const question = {
      endMs: Math.round(Number(form.get("time")) * 1_000),
      rangeMs: Number(range),
      authorization: request.headers.authorization ?? null,
      search: /\?.*$/.exec(request.url ?? "")?.[0] ?? "",
    };
    if (request.url?.replace(/\?.*/, "") !== "/prom/api/v1/query" || selector === "") {
      response.writeHead(400).end("bad_data");
      return;
    }
    asked.push(question);
    if (trouble(response, question, asked.length)) return;
    const names = new RegExp(`^(${/=~"(.*)"/.exec(selector)![1]!})$`);
    const { endMs, rangeMs } = question;
    const result = series
      .filter(({ labels }) => names.test(labels["__name__"] ?? ""))
      .map(({ labels, samples }) => ({
        metric: labels,
        values: samples
          .filter(([atMs]) => atMs > endMs - rangeMs && atMs <= endMs)
          .map(([atMs, value]) => [atMs / 1_000, value]),
      }))
      .filter(({ values }) => values.length > 0);
    response.end(JSON.stringify({ status: "success", data: { resultType: "matrix", result } }));
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/prom`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
