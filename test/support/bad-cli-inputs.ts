import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { BadInput } from "./bad-inputs.ts";
import { runCli, type CliOptions } from "./cli.ts";

interface Told extends Pick<CliOptions, "env" | "input"> {
  /** In the command's working directory, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A command that must exit 2 (or `code`), having changed nothing; what it printed. */
function cli(name: string, words: readonly string[], told: Told = {}, code = 2): BadInput {
  const surface = `gleaner ${words.find((word) => !word.startsWith("-")) ?? ""}`.trim();
  return {
    surface,
    name,
    send: async ({ address }) => {
      const dir = mkdtempSync(join(tmpdir(), "gleaner-bad-"));
      try {
        for (const [file, text] of Object.entries(told.files ?? {})) {
          mkdirSync(dirname(join(dir, file)), { recursive: true });
          writeFileSync(join(dir, file), text);
        }
        const env = { GLEANER_ADDRESS: address, GLEANER_DATA_DIR: join(dir, "data"), ...told.env };
        const ended = await runCli(words, { ...told, env, cwd: dir });
        if (ended.code !== code || ended.stdout !== "")
          throw new Error(`exit code ${ended.code}, not ${code}: ${ended.stdout}${ended.stderr}`);
        return ended.stderr
          .trim()
          .replace("error ", "")
          .replace(/\.?\nwhat to do: /, ". ");
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    },
  };
}

const guestFile = (name: string, text: string) =>
  cli(name, ["submit", "-f", "guests.yaml"], { files: { "guests.yaml": text } });

const settingsFile = (name: string, text: string) =>
  cli(name, ["controller", "--config", "gleaner.yaml"], { files: { "gleaner.yaml": text } });

const traceHead = "time_s,device,pool,gpu_util_pct,mem_used_mib\n";

const traceFile = (name: string, text: string) =>
  cli(name, ["backtest", "--trace", "t.csv"], { files: { "t.csv": text } });

export const cliBadInputs: readonly BadInput[] = [
  cli("a command that is none", ["sumbit"]),
  cli("an option that is none", ["jobs", "--tennant", "a"]),
  cli("no command line", ["submit", "--tenant", "a"]),
  cli("no tenant", ["submit", "--", "true"]),
  cli("a command line and a file", ["submit", "-f", "guests.yaml", "--", "true"]),
  cli("a file that is not there", ["submit", "-f", "nowhere.yaml"]),
  cli("nothing on stdin", ["submit", "-f", "-"], { input: "" }),
  guestFile("a file that is no YAML", "tenant: a\n\tcommand: [x]\n"),
  guestFile("a command that is one string", "tenant: a\ncommand: python train.py\n"),
  guestFile("a field with a wrong name", "tenant: a\ncommand: [x]\nprioritty: 3\n"),
  guestFile(
    "a second entry with a bad share",
    "- {tenant: a, command: [x]}\n- {tenant: a, command: [x], share: 2}\n",
  ),
  guestFile("a duration without a unit", "tenant: a\ncommand: [x]\nnotice: 10\n"),
  cli("a share of two devices", ["submit", "--tenant", "a", "--devices", "2", "--share", "0.5", "--", "x"]),
  cli("a priority that is no number", ["submit", "--tenant", "a", "--priority", "high", "--", "x"]),
  cli("a variable without a value", ["submit", "--tenant", "a", "--env", "DEBUG", "--", "x"]),
  cli("an address without a port", ["jobs", "--address", "localhost"]),
  cli("a controller that is not there", ["jobs", "--address", "127.0.0.1:1"], {}, 3),
  cli("a guest that nobody knows", ["explain", "g-404"], {}, 4),
  cli("no target", ["recall"]),
  cli("two targets", ["recall", "--fleet", "--pool", "a"]),
  cli("a deadline without a unit", ["recall", "--fleet", "--deadline", "30"]),
  cli("a mode that is none", ["policy", "set", "render", "--mode", "maybe"]),
  cli("books that are not there", ["report", "--books", "ledger.sqlite"], {}, 5),
  cli("two formats at once", ["report", "--json", "--csv"]),
  cli("no journal of decisions", ["decisions", "--data-dir", "nowhere"], {}, 4),
  cli(
    "a journal of another format",
    ["decisions", "--data-dir", "."],
    { files: { "decisions/decisions-0000000000001.jsonl.zst": "{}" } },
    5,
  ),
  cli("a replay of one guest", ["decisions", "--replay", "--guest", "g-1"]),
  cli("no trace", ["backtest"]),
  cli("a trace to play that is not there", ["backtest", "--trace", "nowhere.csv"]),
  cli("a policy that is none", ["backtest", "--trace", "t.csv", "--policy", "magic"], {
    files: { "t.csv": `${traceHead}0,a,p,0,1\n` },
  }),
  cli("a Prometheus that is none", ["backtest", "--prometheus", "localhost:9090", "--since", "2h"]),
  cli("a Prometheus, and no time", ["backtest", "--prometheus", "http://localhost:9090"]),
  cli("decisions of two policies", [
    "backtest",
    "--trace",
    "t.csv",
    "--policy",
    "age:60,lend-all",
    "--decisions",
    "out.csv",
  ]),
  cli("pools with a pause", ["backtest", "--trace", "t.csv", "--shape", "pools", "--recall", "pause"]),
  cli("a policy without its number", ["backtest", "--trace", "t.csv", "--policy", "age"], {
    files: { "t.csv": `${traceHead}0,a,p,0,1\n` },
  }),
  traceFile("a trace with another column", "time_s,device,pool,util,mem_used_mib\n"),
  traceFile("a trace with a NaN", `${traceHead}0,a,p,0,1\n57,a,p,nan,1\n`),
  traceFile("a trace with a negative number", `${traceHead}0,a,p,-1,1\n`),
  traceFile("a trace whose times go back", `${traceHead}57,a,p,0,1\n0,a,p,0,1\n`),
  traceFile("a trace with a doubled time", `${traceHead}0,a,p,0,1\n0,a,p,9,1\n`),
  traceFile("a trace that is garbage", "\u0000\u0001\u0002\n"),
  cli(
    "decisions that cannot be written",
    ["backtest", "--trace", "t.csv", "--policy", "lend-all", "--decisions", "no/out.csv"],
    {
      files: { "t.csv": `${traceHead}0,a,p,0,1\n` },
    },
  ),
  cli(
    "decisions written over the trace",
    ["backtest", "--trace", "t.csv", "--policy", "lend-all", "--decisions", "./t.csv"],
    { files: { "t.csv": `${traceHead}0,a,p,0,1\n` } },
  ),
  cli("no Redis", ["controller"]),
  settingsFile("a setting with a wrong name", "terms: { termMS: 5000 }\n"),
  settingsFile("a term that one lost renewal would end", "terms: { termMs: 5000, renewIntervalMs: 4000 }\n"),
  settingsFile("a list of settings", "- zone\n"),
  cli("a zone with a space in the environment", ["controller"], { env: { GLEANER_ZONE: "my zone" } }),
  cli("a log level that is none", ["jobs"], { env: { GLEANER_LOG: "loud" } }),
  cli(
    "an address that others can reach",
    ["controller", "--api-address", "0.0.0.0:7070"],
    { env: { REDIS_URL: "redis://127.0.0.1:1" } },
    5,
  ),
  cli("telemetry of a kind that is none", ["agent", "--telemetry", "nvml:all"]),
  cli("a URL that is none", ["agent", "--telemetry", "dcgm:ftp://x/metrics"]),
  cli("a trace that is not there", ["agent", "--telemetry", "replay:nowhere.csv"]),
  cli("the third of two parts", ["agent", "--telemetry", "replay:x.csv", "--part", "3/2"]),
  cli("two agents and one telemetry", [
    "up",
    "--agents",
    "2",
    "--telemetry",
    "dcgm:http://127.0.0.1:1/metrics",
  ]),
];
