import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { GleanerError } from "../../src/errors/gleaner-error.ts";
import { createLogger, parseLogLevel } from "../../src/runtime/log.ts";

function capture(pretty: boolean) {
  const lines: string[] = [];
  const log = createLogger({
    name: "controller",
    level: "info",
    pretty,
    stream: { write: (line) => lines.push(line) },
  });
  return { log, lines };
}

describe("createLogger", () => {
  it("writes one JSON line for a decision, with its reason as a field", () => {
    const { log, lines } = capture(false);
    log.info({ guest: "g1", reason: "idle for 5 min" }, "lent");
    log.debug("not at this level");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: "info",
      name: "controller",
      msg: "lent",
      reason: "idle for 5 min",
    });
  });

  it("gives an error's code and remedy, and the cause behind it", () => {
    const { log, lines } = capture(false);
    const details = { url: "redis://x", problem: "gone" };
    log.error(
      { err: new GleanerError("REDIS_UNREACHABLE", details, { cause: new Error("ECONNREFUSED") }) },
      "waiting",
    );
    expect(JSON.parse(lines[0]!).err).toMatchObject({
      code: "REDIS_UNREACHABLE",
      remedy: expect.stringContaining("REDIS_URL"),
      cause: { message: "ECONNREFUSED" },
    });
  });

  it("writes a line that a person can read on a terminal", () => {
    const { log, lines } = capture(true);
    log.warn({ pool: "research", reason: "owner is back" }, "paused");
    expect(stripVTControlCharacters(lines[0]!)).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} warn {2}controller paused {2}pool=research {2}reason="owner is back"\n$/,
    );
  });
});

describe("parseLogLevel", () => {
  it("names the source, what is wrong and what is allowed", () => {
    expect(parseLogLevel("debug", "GLEANER_LOG")).toBe("debug");
    expect(() => parseLogLevel("loud", "GLEANER_LOG")).toThrow(
      /GLEANER_LOG: level: "loud" is none of trace, debug/,
    );
  });
});
