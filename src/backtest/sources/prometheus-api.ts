import { z } from "zod";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Clock } from "../../runtime/clock.ts";

/** One recorded series: its labels, and its samples at the times at which they were scraped. */
export interface RawSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly (readonly [timeS: number, value: string])[];
}

export interface PrometheusOptions {
  /** For instance http://prometheus:9090; a path is kept, as proxies need it. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

const triesMax = 3;
const pauseMs = 500;
const bytesMax = 256 * 1_024 * 1_024;

const answerSchema = z.object({
  status: z.literal("success"),
  warnings: z.array(z.string()).optional(),
  data: z.object({
    resultType: z.literal("matrix"),
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        values: z.array(z.tuple([z.number(), z.string()])),
      }),
    ),
  }),
});

/** The answer would be too large or take too long: ask for less at once. */
export class TooMuchAtOnce extends Error {}

/**
 * The samples of a selector as they were recorded in the `rangeMs` up to a time: no steps, and so nothing carried over a gap.
 * Tries again where the server is in trouble. Throws TooMuchAtOnce; PROMETHEUS_FAILED for all else, a partial answer included.
 */
export async function queryRaw(
  { url, timeoutMs, clock }: PrometheusOptions,
  selector: string,
  endMs: number,
  rangeMs: number,
): Promise<RawSeries[]> {
  const query = `${selector}[${rangeMs}ms]`;
  const time = new Date(endMs).toISOString();
  for (let tries = 1; ; tries++) {
    try {
      return await ask(url, new URLSearchParams({ query, time: String(endMs / 1_000) }), timeoutMs);
    } catch (thrown) {
      if (thrown instanceof TooMuchAtOnce) throw thrown;
      if (tries < triesMax && !(thrown instanceof Refusal)) await clock.sleep(pauseMs * tries);
      else
        throw new GleanerError(
          "PROMETHEUS_FAILED",
          { url, query, time, problem: problemOf(thrown) },
          { cause: thrown },
        );
    }
  }
}

/** What no second try would change. */
class Refusal extends Error {}

async function ask(url: string, form: URLSearchParams, timeoutMs: number): Promise<RawSeries[]> {
  const signal = AbortSignal.timeout(timeoutMs);
  // Posted, so that no proxy finds the URL too long.
  const response = await fetch(`${url.replace(/\/+$/, "")}/api/v1/query`, {
    method: "POST",
    body: form,
    signal,
  }).catch((thrown: unknown) => {
    throw thrown instanceof Error && thrown.name === "TimeoutError"
      ? new TooMuchAtOnce("did not answer in time")
      : thrown;
  });
  const text = await textOf(response);
  // 422: it would load too many samples, or run for too long.
  if (response.status === 422) throw new TooMuchAtOnce(`answers 422: ${text.slice(0, 200)}`);
  if (!response.ok)
    throw new (response.status < 500 ? Refusal : Error)(`answers ${response.status}: ${text.slice(0, 200)}`);
  const answer = answerSchema.safeParse(JSON.parse(text));
  if (!answer.success)
    throw new Refusal(`does not answer as Prometheus does: ${answer.error.issues[0]!.message}`);
  const { warnings = [], data } = answer.data;
  // A part could lack the very device that is busy.
  if (warnings.length > 0) throw new Refusal(`answers in part: ${warnings.join("; ").slice(0, 200)}`);
  return data.result.map(({ metric, values }) => ({ labels: metric, samples: values }));
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) throw new TooMuchAtOnce(`answers with more than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw thrown instanceof Error && thrown.name === "TimeoutError"
      ? new TooMuchAtOnce("did not answer in time")
      : thrown;
  }
  return Buffer.concat(chunks).toString("utf8");
}

function problemOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error ? `${thrown.message}: ${thrown.cause.message}` : thrown.message;
}
