import { createCli } from "./cli/cli.ts";
import { commands } from "./cli/commands.ts";
import { readEnvironment } from "./cli/environment.ts";
import { tellFailure } from "./cli/failure.ts";
import { buildProgram } from "./cli/program.ts";

// A reader that has seen enough (`gleaner jobs | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

const [, , ...words] = process.argv;
const name = (words[0] === "help" ? words[1] : words[0]) ?? "--help";
try {
  const cli = createCli(readEnvironment(process.env), words);
  const program = await buildProgram(cli, name);
  await program.parseAsync(words.length === 0 ? ["--help"] : words, { from: "user" });
} catch (thrown) {
  const ownWords = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
  // What failed half-way may have left a connection that tries again for ever.
  process.exit(tellFailure(thrown, name in commands ? name : "help", ownWords.includes("--json")));
}
