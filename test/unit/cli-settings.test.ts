import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fastFleetSettings } from "../../src/cli/demo/settings.ts";
import { fileLayer, layeredSettings } from "../../src/cli/settings-file.ts";
import { parseSettings, policySchema } from "../../src/config/settings.ts";
import { GleanerError } from "../../src/errors/gleaner-error.ts";

const root = new URL("../../", import.meta.url).pathname;
let dir: string;
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), "gleaner-settings-"))));
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

function refusal(act: () => unknown): GleanerError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof GleanerError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was refused");
}

describe("settings in layers", () => {
  it("lets the later layer win, field by field", () => {
    const settings = layeredSettings([
      { source: "file", values: { zone: "a", terms: { termMs: 9_000, driftMs: 7 } } },
      { source: "GLEANER_ZONE", values: { zone: "b" } },
      { source: "--x", values: { terms: { termMs: 8_000 } } },
    ]);
    expect(settings).toMatchObject({ zone: "b", terms: { termMs: 8_000, driftMs: 7 } });
  });

  it("names the layer that the wrong field came from", () => {
    const layers = [
      { source: "gleaner.yaml", values: { zone: "fine" } },
      { source: "GLEANER_ZONE", values: { zone: "not a zone" } },
    ];
    const { code, details } = refusal(() => layeredSettings(layers));
    expect({ code, ...details }).toMatchObject({
      code: "CONFIG_INVALID",
      source: "GLEANER_ZONE",
      field: "zone",
    });
  });

  it("reads YAML and JSON alike", () => {
    const yaml = fileLayer(file("a.yaml", "zone: z\nterms:\n  termMs: 9000\n"));
    const json = fileLayer(file("a.json", '{"zone":"z","terms":{"termMs":9000}}'));
    expect(yaml.values).toEqual(json.values);
  });

  it.each([
    ["a misspelled name", "terms: { termMS: 5 }", /termMS/],
    ["a list instead of a map", "- zone", /not a map/],
    ["broken YAML", "zone: [", /line/],
    [
      "a term that one lost renewal would end",
      "terms: { termMs: 5000, renewIntervalMs: 4000 }",
      /renewIntervalMs/,
    ],
    [
      "a deadline that a cut-off agent could not keep",
      "policies: [{ pool: p, mode: lend, recallDeadlineMs: 26500 }]",
      /recallDeadlineMs: must be more than .* \(15000 \+ 10000 \+ 1000 \+ 500 = 26500\)/,
    ],
    [
      "a notice that leaves no room for the default deadline",
      "{ guest: { noticeMs: 13500 }, policies: [{ pool: p, mode: lend }] }",
      /recallDeadlineMs: must be more than/,
    ],
  ])("refuses %s", (_, text, said) => {
    const path = file("bad.yaml", text);
    expect(refusal(() => layeredSettings([fileLayer(path)])).message).toMatch(said);
  });
});

describe("what ships", () => {
  it("takes the example file and the fast fleet's profile", () => {
    expect(layeredSettings([fileLayer(join(root, "deploy/gleaner.example.yaml"))]).policies).toHaveLength(3);
    expect(parseSettings(fastFleetSettings, "demo").policies[0]).toMatchObject({ pool: "*", mode: "lend" });
  });

  it("lists every setting with its default in docs/settings.md, and nothing else", () => {
    const [settings, policy] = readFileSync(join(root, "docs/settings.md"), "utf8").split("## A policy");
    expect(rows(settings!)).toEqual(leaves(parseSettings({}, "defaults")));
    expect(rows(policy!)).toEqual({ ...leaves(policySchema.parse({ pool: "p" })), pool: "" });
  });
});

/** Name and default of each row of the tables. */
function rows(markdown: string): Record<string, string> {
  const found = markdown.matchAll(/^\| `([\w.]+)` \| (?:`(.*?)`)? ?\| (.+) \|$/gm);
  return Object.fromEntries([...found].map(([, name = "", value = ""]): [string, string] => [name, value]));
}

/** Paths and JSON of all settings; a list or an empty map is one value. */
function leaves(value: object, prefix = ""): Record<string, string> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]: [string, unknown]) =>
      typeof part === "object" && part !== null && !Array.isArray(part) && Object.keys(part).length > 0
        ? Object.entries(leaves(part, `${prefix}${name}.`))
        : [[`${prefix}${name}`, JSON.stringify(part)]],
    ),
  );
}
