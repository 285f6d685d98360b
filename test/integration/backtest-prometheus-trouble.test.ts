import type { ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { readPrometheus } from "../../src/backtest/sources/prometheus.ts";
import { asking, startPrometheus, utilOf } from "../support/backtest/prometheus.ts";
import { wordsFor } from "../support/backtest/recording.ts";
import { runCli } from "../support/cli.ts";

type Answer = (response: ServerResponse) => void;

const gpu = utilOf({ UUID: "GPU-1" }, ["0", "0", "0"]);
const says =
  (status: number, body: unknown, headers = {}): Answer =>
  (response) =>
    response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
const cutOff: Answer = (response) =>
  response.writeHead(200, { "content-length": 1_000 }).write('{"status":', () => response.destroy());
const reset: Answer = (response) => response.destroy();
const timedOut = { status: "error", errorType: "timeout", error: "query timed out in expression evaluation" };
const partial = {
  status: "success",
  warnings: ["store b is away"],
  data: { resultType: "matrix", result: [] },
};

/** The answers come one after the other; after them, or where one is null, the recording's. */
function answering(answers: readonly (Answer | null)[]) {
  return startPrometheus([gpu], (response, _, count) => {
    const answer = answers[count - 1] ?? null;
    answer?.(response);
    return answer !== null;
  });
}

describe("a Prometheus in trouble", () => {
  it.each<[string, (Answer | null)[]]>([
    ["starts", [says(503, "Service Unavailable"), says(503, "Service Unavailable")]],
    ["breaks off", [cutOff, cutOff]],
    ["resets the connection between two pieces", [null, reset]],
    ["sends half of its JSON", [says(200, '{"status":"success","data":{"resu')]],
    ["is asked too often", [says(429, "slow down")]],
  ])("is asked again where it %s", async (_, answers) => {
    await using prometheus = await answering(answers);
    const twoHours = { ...asking, untilMs: asking.sinceMs + 7_200_000, url: prometheus.url };
    const { timesS } = await readPrometheus(twoHours, () => {});
    expect([...timesS]).toEqual([0, 30, 60]);
    expect(prometheus.asked.length).toBe(2 + answers.filter((answer) => answer !== null).length);
  });

  it.each<[string, Answer]>([
    [
      "would load too many samples",
      says(422, { status: "error", errorType: "execution", error: "too many" }),
    ],
    ["has worked on a query for as long as it may", says(503, timedOut)],
    ["stands behind a proxy that waits no longer", says(504, "<html>gateway timeout</html>")],
    ["stands behind a proxy that passes no more", says(413, "too large")],
  ])("is asked for less, once, where it %s", async (_, answer) => {
    await using prometheus = await answering([answer]);
    const { timesS } = await readPrometheus({ ...asking, url: prometheus.url }, () => {});
    expect([...timesS]).toEqual([0, 30, 60]);
    const pieces = prometheus.asked.map(({ rangeMs }) => rangeMs);
    expect(pieces).toEqual([3_600_001, 1_800_001, 1_800_001]);
  });

  it.each<[string, string, Answer]>([
    ["stays in trouble", "answers 503: starting", says(503, "starting")],
    ["breaks off each time", "other side closed", cutOff],
    [
      "cuts its JSON off each time",
      "answers with JSON that is broken or cut off after 10 characters",
      says(200, '{"status":'),
    ],
    ["finds the query too much even by the minute", "answers 422: too many", says(422, "too many")],
    ["does not know us", "answers 401: who are you", says(401, "who are you")],
    ["forbids it", "answers 403: not you", says(403, "not you")],
    ["is not there", "answers 404: 404 page not found", says(404, "404 page not found\n")],
    ["answers with a web page", "answers with a web page instead of JSON", says(200, "<!doctype html>")],
    [
      "sends us to a login",
      "answers 302, look at http://sso.example/login: that may be a login",
      says(302, "", { location: "http://sso.example/login?state=secret" }),
    ],
    ["answers in part", "answers in part: store b is away", says(200, partial)],
    ["answers with something else", "does not answer as Prometheus does", says(200, '{"status":"success"}')],
    [
      "answers with an error that looks well",
      "does not answer as Prometheus does",
      says(200, { ...timedOut, data: partial.data }),
    ],
    [
      "has recorded nothing",
      "has recorded nothing since 2026-03-01T00:00:00.000Z",
      says(200, { ...partial, warnings: undefined }),
    ],
  ])("that %s ends it, with query and time", async (_, problem, answer) => {
    await using prometheus = await startPrometheus([], (response) => {
      answer(response);
      return true;
    });
    await expect(readPrometheus({ ...asking, url: prometheus.url }, () => {})).rejects.toMatchObject({
      code: "PROMETHEUS_FAILED",
      message: expect.stringMatching(
        new RegExp(
          `^${prometheus.url}, query \\{__name__=~"DCGM_FI_DEV_GPU_UTIL\\|.*at 2026-03-01T0.*${problem}`,
        ),
      ) as string,
    });
  });

  it("is asked for less, and at last given up, where it does not answer in time", async () => {
    await using prometheus = await startPrometheus([], () => true);
    const silent = readPrometheus({ ...asking, url: prometheus.url, timeoutMs: 20 }, () => {});
    await expect(silent).rejects.toMatchObject({
      code: "PROMETHEUS_FAILED",
      message: expect.stringContaining("did not answer within 20 ms") as string,
    });
    expect(prometheus.asked.at(-1)!.rangeMs).toBe(60_001);
  });

  it("ends the command without a table, whatever it has answered before", async () => {
    await using prometheus = await answering([null, says(403, "not you")]);
    const { code, stdout, stderr } = await runCli(["backtest", ...wordsFor(prometheus.url, 2)]);
    expect(stderr).toMatch(/^error PROMETHEUS_FAILED: .*at 2026-03-01T02:00:00.000Z: answers 403: not you$/m);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
  });
});
