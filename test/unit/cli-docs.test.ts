import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { expect, it } from "vitest";
import { createCli } from "../../src/cli/cli.ts";
import { commands } from "../../src/cli/commands.ts";
import { readEnvironment } from "../../src/cli/environment.ts";
import { buildProgram } from "../../src/cli/program.ts";

const preface = `# The command line

What \`--help\` prints, for every command; a test keeps the two the same (\`npx vitest run --project unit -u cli-docs\` writes this file).

- Answers go to stdout; progress, notes and errors to stderr. \`--json\` prints JSON instead: one document, or a line for each thing that comes.
- An error is \`error CODE: what is wrong\` and \`what to do: …\`; with \`--json\` \`{"error":{"code","message","remedy","field"}}\`. [errors.md](errors.md) lists the codes.
- Colours only on a terminal, and never with \`NO_COLOR\`. Durations: \`250ms\`, \`30s\`, \`5m\`, \`2h\`, \`1h30m\`.
`;

it("says in docs/cli.md what --help prints", { timeout: 30_000 }, async () => {
  const cli = createCli({ ...readEnvironment({}), noColor: true }, []);
  const parts = [preface, section("gleaner", help(await buildProgram(cli, "--help")))];
  for (const name of Object.keys(commands)) {
    const command = (await buildProgram(cli, name)).commands.find((known) => known.name() === name)!;
    parts.push(section(`gleaner ${name}`, help(command)));
    for (const below of command.commands) parts.push(section(`gleaner ${name} ${below.name()}`, help(below)));
  }
  await expect(parts.join("\n")).toMatchFileSnapshot("../../docs/cli.md");
});

it("shows at least two examples with each command", async () => {
  for (const name of Object.keys(commands)) {
    const program = await buildProgram(createCli(readEnvironment({}), []), name);
    const text = help(program.commands.find((known) => known.name() === name)!);
    expect(
      text.match(new RegExp(`^ {2}\\$ .*\\b(gleaner ${name}|curl)\\b`, "gm"))?.length,
      name,
    ).toBeGreaterThanOrEqual(2);
  }
});

it("starts in its systemd units what the command line knows", async () => {
  for (const name of ["controller", "agent"]) {
    const unit = readFileSync(
      new URL(`../../deploy/systemd/gleaner-${name}.service`, import.meta.url),
      "utf8",
    );
    const [program, command, ...words] = /^ExecStart=(.+)$/m.exec(unit)![1]!.split(" ");
    expect([program, command]).toEqual(["/opt/gleaner/bin/gleaner", name]);
    const built = await buildProgram(createCli(readEnvironment({}), []), name);
    const parsed = built.commands.find((known) => known.name() === name)!.parseOptions(words);
    expect(parsed).toEqual({ operands: [], unknown: [] });
  }
});

/** With what `addHelpText` adds, at a width that does not depend on the terminal; this host's name is not part of the text. */
function help(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (piece) => void (text += piece), getOutHelpWidth: () => 110 });
  command.outputHelp();
  return text.trim();
}

function section(title: string, text: string): string {
  return `## ${title}\n\n\`\`\`text\n${text}\n\`\`\`\n`;
}
