import { z } from "zod";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Clock } from "../../runtime/clock.ts";

/** One recorded series: its labels, and its samples at the times at which they were scraped. */
export interface RawSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly (readonly [timeS: number, value: string])[];
}

export interface PrometheusOptions {
  /** For instance http://prometheus:9090; a path is kept, as proxies need it; name and password are sent as basic authentication. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

const triesMax = 3;
const pauseMs = 500;
/** In memory an answer is several times as large. */
const bytesMax = 32 * 1_024 * 1_024;

/** 422: it would load too many samples, or run for too long; the others are what proxies say to as much. */
const tooMuchStatuses = new Set([413, 422, 504]);

const answerSchema = z.object({
  status: z.literal("success"),
  warnings: z.array(z.string()).optional(),
  data: z.object({
    resultType: z.literal("matrix"),
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        values: z.custom<RawSeries["samples"]>(areSamples, "values that are no samples"),
      }),
    ),
  }),
});

/** By hand: there are millions. */
function areSamples(values: unknown): boolean {
  return (
    Array.isArray(values) &&
    values.every(
      (sample: unknown) =>
        Array.isArray(sample) && typeof sample[0] === "number" && typeof sample[1] === "string",
    )
  );
}

const failureSchema = z.object({ errorType: z.string().default(""), error: z.string() });

/** The answer would be too large or take too long: ask for less at once. */
export class TooMuchAtOnce extends Error {}

/** What no second try would change. */
class Refusal extends Error {}

/** What may be shown and kept of a URL: no name, no password, no query. */
export function publicUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/+$/, "")}`;
}

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
  // The server need not work on for longer than we wait.
  const form = new URLSearchParams({ query, time: String(endMs / 1_000), timeout: `${timeoutMs}ms` });
  for (let tries = 1; ; tries++) {
    try {
      return await ask(url, form, timeoutMs);
    } catch (thrown) {
      if (thrown instanceof TooMuchAtOnce) throw thrown;
      if (tries < triesMax && !(thrown instanceof Refusal)) await clock.sleep(pauseMs * tries);
      else throw prometheusFailed(url, query, endMs, problemOf(thrown), thrown);
    }
  }
}

export function prometheusFailed(
  url: string,
  query: string,
  endMs: number,
  problem: string,
  cause?: unknown,
): GleanerError {
  const time = new Date(endMs).toISOString();
  return new GleanerError("PROMETHEUS_FAILED", { url: publicUrl(url), query, time, problem }, { cause });
}

async function ask(url: string, form: URLSearchParams, timeoutMs: number): Promise<RawSeries[]> {
  const { status, elsewhere, text } = await post(url, form, timeoutMs);
  if (elsewhere !== null)
    throw new Refusal(`answers ${status}, look at ${publicUrl(elsewhere)}: that may be a login`);
  if (status !== 200) throw troubleOf(status, text);
  const answer = answerSchema.safeParse(parseJson(text));
  if (!answer.success)
    throw new Refusal(`does not answer as Prometheus does: ${answer.error.issues[0]!.message}`);
  const { warnings = [], data } = answer.data;
  // A part could lack the very device that is busy.
  if (warnings.length > 0) throw new Refusal(`answers in part: ${shortened(warnings.join("; "))}`);
  return data.result.map(({ metric, values }) => ({ labels: metric, samples: values }));
}

/** Posted, so that no proxy finds the URL too long; not sent on to elsewhere, where a post becomes a get without its query. */
async function post(
  url: string,
  body: URLSearchParams,
  timeoutMs: number,
): Promise<{ status: number; elsewhere: string | null; text: string }> {
  const { username, password, search } = new URL(url);
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const headers: Record<string, string> =
    username === "" ? {} : { authorization: `Basic ${login.toString("base64")}` };
  const target = `${publicUrl(url)}/api/v1/query${search}`;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(target, { method: "POST", body, headers, signal, redirect: "manual" });
    const { status } = response;
    const location = status >= 300 && status < 400 ? response.headers.get("location") : null;
    const elsewhere = location === null ? null : (URL.parse(location, target)?.href ?? target);
    return { status, elsewhere, text: await textOf(response) };
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === "TimeoutError")
      throw new TooMuchAtOnce(`did not answer within ${timeoutMs} ms`);
    throw thrown;
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new TooMuchAtOnce(`answers with more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function troubleOf(status: number, text: string): Error {
  let failure: z.infer<typeof failureSchema> = { errorType: "", error: text };
  try {
    failure = failureSchema.parse(JSON.parse(text));
  } catch {
    // A proxy's own words.
  }
  const said = `answers ${status}: ${shortened(failure.error)}`;
  // Where a query has run for as long as the server lets it, it says 503.
  if (tooMuchStatuses.has(status) || failure.errorType === "timeout") return new TooMuchAtOnce(said);
  return status >= 500 || status === 429 ? new Error(said) : new Refusal(said);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (/^\s*</.test(text))
      throw new Refusal(`answers with a web page instead of JSON: ${shortened(text)}`, { cause });
    throw new Error(`answers with JSON that is broken or cut off after ${text.length} characters`, { cause });
  }
}

/** Proxies repeat the URL that they were asked by; its query may be a token. */
function shortened(text: string): string {
  return text
    .slice(0, 4_000)
    .replaceAll(/(\/[^\s"'<>?]*)\?[^\s"'<>]*/g, "$1")
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, 200);
}

function problemOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error ? `${thrown.message}: ${thrown.cause.message}` : thrown.message;
}
