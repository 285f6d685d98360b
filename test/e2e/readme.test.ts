import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdtempSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startUp, type Up } from "../support/up.ts";

const root = join(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");

/** Shell blocks behind `<!-- run -->`, in order; `needs` is a program that not everybody has. */
const blocks = [...readme.matchAll(/<!-- run(?:: (needs )?(\S+))? -->\n```sh\n(.*?)```/gs)].map(
  ([, needs, word = "", script = ""]) => ({
    needs: needs === undefined ? "" : word,
    isUp: word === "up",
    script,
  }),
);

let up: Up;
let dir: string;
beforeAll(async () => {
  up = await startUp([]);
  // What a person sees who stands in the clone, but files that are written land elsewhere.
  dir = mkdtempSync(join(tmpdir(), "gleaner-readme-"));
  for (const name of readdirSync(root)) symlinkSync(join(root, name), join(dir, name));
});
afterAll(async () => {
  await up[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

describe("README.md", () => {
  it("has blocks to run, the first of which brings the fleet up", () => {
    expect(blocks[0]?.script.trim()).toBe("bin/gleaner up");
    expect(blocks.length).toBeGreaterThanOrEqual(4);
  });

  for (const { needs, script } of blocks.filter(({ isUp }) => !isUp))
    it.skipIf(needs !== "" && !isInstalled(needs))(
      `runs when pasted: ${titleOf(script, needs)}`,
      async () => {
        // The only difference to what a person pastes: this fleet's ports.
        const here = script
          .replaceAll("127.0.0.1:7070", up.apiAddress)
          .replaceAll("127.0.0.1:7071", up.httpAddress);
        writeFileSync(join(dir, "pasted.sh"), here);
        const { PATH, HOME } = process.env;
        const shell = spawn("bash", ["-eu", "-o", "pipefail", "pasted.sh"], {
          cwd: dir,
          env: { PATH, HOME, GLEANER_ADDRESS: up.apiAddress },
        });
        const [printed, problems] = await Promise.all([
          text(shell.stdout),
          text(shell.stderr),
          once(shell, "close"),
        ]);
        expect(shell.exitCode, `${printed}\n${problems}`).toBe(0);
      },
    );

  it("links only to what is there", () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path = ""]) => path);
    expect(links.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

function titleOf(script: string, needs: string): string {
  return `${script.split("\n")[0]}${needs === "" ? "" : ` (skipped where ${needs} is not installed)`}`;
}

function isInstalled(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));
}
