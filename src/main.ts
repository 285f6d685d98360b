import { createCli } from "./cli/cli.ts";
import { commands } from "./cli/commands.ts";
import { readEnvironment } from "./cli/environment.ts";
import { exitCodes } from "./cli/exit-codes.ts";
import { tellFailure } from "./cli/failure.ts";
import { buildProgram } from "./cli/program.ts";
import { GleanerError } from "./errors/gleaner-error.ts";

const [, , ...words] = process.argv;
const name = (words[0] === "help" ? words[1] : words[0]) ?? "--help";
const ownWords = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;

function tell(thrown: unknown): number {
  return tellFailure(thrown, name in commands ? name : "help", ownWords.includes("--json"));
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader that has seen enough (`gleaner jobs | head`) is no failure.
  if (error.code === "EPIPE") process.exit(exitCodes.ok);
  const details = { path: "standard output", problem: error.message };
  tell(new GleanerError("FILE_UNWRITABLE", details, { cause: error }));
  // What was asked for may be done; only the answer is lost.
  process.exit(exitCodes.failed);
});

try {
  const cli = createCli(readEnvironment(process.env), words);
  const program = await buildProgram(cli, name);
  await program.parseAsync(words.length === 0 ? ["--help"] : words, { from: "user" });
} catch (thrown) {
  const code = tell(thrown);
  // What failed half-way may have left a connection that tries again for ever. Help has not, and may still be on its way out.
  if (code !== exitCodes.ok) process.exit(code);
}
