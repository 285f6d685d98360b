import { Command } from "commander";
import type { Cli } from "./cli.ts";
import { commands } from "./commands.ts";
import { exitCodeMeanings, exitCodes } from "./exit-codes.ts";
import { version } from "./version.ts";

/** The program with one command loaded, or with none where `name` is no command: loading all would make --help slow. */
export async function buildProgram(cli: Cli, name: string): Promise<Command> {
  const program = new Command("gleaner")
    .description(
      "Gleaner lends idle GPUs to preemptible guests and gives them back before their owners notice.",
    )
    .version(version())
    .usage("COMMAND [options]")
    .helpCommand("help [command]", "Show the help of a command")
    .addHelpText("after", rootHelp);
  quiet(program);
  for (const [known, { summary, load }] of Object.entries(commands)) {
    if (known !== name) {
      program.command(known).description(summary).summary(summary);
      continue;
    }
    const command = (await load()).command(cli).summary(summary);
    command.description(command.description().replaceAll("\n", " "));
    quiet(command);
    program.addCommand(command);
  }
  return program;
}

/** Errors are thrown, and told in one place and in one way. */
function quiet(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
}

const rootHelp = `
Begin here:
  $ gleaner demo                                       all of it, on this machine, in 90 seconds
  $ gleaner up --agents 2                              a fleet to play with; leave it running
  $ gleaner submit --tenant research -- python train.py
  $ gleaner jobs

Environment:
  GLEANER_ADDRESS   controller that clients and agents call (127.0.0.1:7070); of several, all with commas between
  GLEANER_CONFIG    settings file, YAML or JSON; docs/settings.md lists what it may hold
  GLEANER_DATA_DIR  books, logs, agents' state (/var/lib/gleaner, or ~/.local/state/gleaner)
  GLEANER_LOG       least level logged: trace, debug, info, warn, error, fatal, silent (info)
  GLEANER_ZONE      name of the zone; one Redis serves one zone (default)
  REDIS_URL         redis://HOST:PORT or the path of a socket; without it \`up\` and \`demo\` start their own
  NO_COLOR          no colours, on a terminal either

Exit codes:
${Object.entries(exitCodes)
  .map(([name, code]) => `  ${String(code).padEnd(4)} ${exitCodeMeanings[name as keyof typeof exitCodes]}`)
  .join("\n")}
`;
