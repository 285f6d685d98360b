import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A test that proves an invariant, by its file and name. */
export interface SpecTest {
  readonly invariant: string;
  readonly file: string;
  readonly name: string;
}

const root = join(import.meta.dirname, "../..");
const tagged = /\b(?:it|test|describe)(?:\.\w+)*(?:\([^()]*\))?\(\s*(["'`])((?:I\d+(?:, ?I\d+)*): .+?)\1/gs;

/** Every test whose name begins with tags such as `I1:` or `I1, I3:`. */
export function testsInCode(): SpecTest[] {
  const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .toSorted();
  return files.flatMap((file) =>
    [...readFileSync(join(root, "test", file), "utf8").matchAll(tagged)].flatMap(([, , name = ""]) =>
      (name.split(":")[0] ?? "").split(/, ?/).map((invariant) => ({ invariant, file: `test/${file}`, name })),
    ),
  );
}

const section = /<!-- tests (I\d+) -->\n(.*?)<!-- end -->/gs;

export function testsInSpec(): SpecTest[] {
  return [...readSpec().matchAll(section)].flatMap(([, invariant = "", list = ""]) =>
    [...list.matchAll(/^- (.+) — `(.+)`$/gm)].map(([, name = "", file = ""]) => ({ invariant, file, name })),
  );
}

export function invariantsInSpec(): string[] {
  return [...readSpec().matchAll(/^## (I\d+) — /gm)].map(([, invariant = ""]) => invariant);
}

/** A row of I11's table: what is bounded, by which settings, and the names of the tests that drive it to its limit. */
export interface SpecBound {
  readonly what: string;
  readonly settings: readonly string[];
  readonly tests: readonly string[];
}

export function boundsInSpec(): SpecBound[] {
  const [, section = ""] = /^## I11 — (.*?)<!-- tests I11 -->/ms.exec(readSpec()) ?? [];
  const rows = [...section.matchAll(/^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$/gm)].slice(1);
  return rows.map(([, what = "", bound = "", , tests = ""]) => ({
    what,
    settings: [...bound.matchAll(/`(\w+\.\w+)`/g)].map(([, path = ""]) => path),
    tests: tests.split("<br>"),
  }));
}

/** The spec with its lists made anew from the tests. */
export function specFromCode(): string {
  const tests = testsInCode();
  return readSpec().replace(section, (_, invariant: string) => {
    const lines = tests
      .filter((test) => test.invariant === invariant)
      .map(({ name, file }) => `- ${name} — \`${file}\`\n`);
    return `<!-- tests ${invariant} -->\n${lines.join("")}<!-- end -->`;
  });
}

export const specPath = join(root, "docs/SPEC.md");

function readSpec(): string {
  return readFileSync(specPath, "utf8");
}
