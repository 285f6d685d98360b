import { Command, Option } from "commander";
import { startController } from "../../controller/controller.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Cli } from "../cli.ts";
import { parseAddress } from "../options.ts";
import { serveUntilStopped } from "../serve.ts";
import type { Layer } from "../settings-file.ts";
import { addSettingsOptions, loggerOf, settingsOf, type SettingsOptions } from "../settings-options.ts";
import { version } from "../version.ts";

interface Options extends SettingsOptions {
  readonly apiAddress?: string;
  readonly httpAddress?: string;
}

export function command(cli: Cli): Command {
  const controller = new Command("controller").description(
    `Runs a controller: takes telemetry in, decides what is lent to whom, serves the gRPC APIs, keeps the books. Needs a Redis
of its own zone: REDIS_URL, or redisUrl in the settings file. Logs go to stderr, one JSON object a line unless it is a terminal.`,
  );
  return addSettingsOptions(controller, cli)
    .addOption(
      new Option("--api-address <host:port>", "gRPC; default 127.0.0.1:7070").argParser(parseAddress),
    )
    .addOption(
      new Option(
        "--http-address <host:port>",
        "/metrics, /healthz, /readyz; default 127.0.0.1:7071",
      ).argParser(parseAddress),
    )
    .addHelpText("after", help)
    .action(async (options: Options) => {
      const settings = settingsOf(cli, options, [
        ...listen("--api-address", "apiAddress", options.apiAddress),
        ...listen("--http-address", "httpAddress", options.httpAddress),
      ]);
      if (settings.redisUrl === "")
        throw new GleanerError("CONFIG_INVALID", {
          source: options.config ?? "settings",
          field: "redisUrl",
          problem: "missing: set REDIS_URL, or run `gleaner up`, which starts a Redis of its own",
          command: "controller",
        });
      const logger = loggerOf(cli, options, "controller");
      await serveUntilStopped(async () => {
        const { dataDir, redisUrl } = settings;
        const running = await startController({ settings, dataDir, redisUrl, logger, version: version() });
        const { apiAddress, httpAddress } = running;
        return {
          addresses: { apiAddress, httpAddress },
          stop: () => running.stop(),
          debugDump: () => running.debugDump(),
        };
      });
    });
}

function listen(source: string, name: string, address: string | undefined): Layer[] {
  return address === undefined ? [] : [{ source, values: { listen: { [name]: address } } }];
}

const help = `
Examples:
  $ REDIS_URL=redis://127.0.0.1:6379 gleaner controller --config gleaner.yaml
  $ curl -s http://127.0.0.1:7071/readyz
SIGTERM and Ctrl-C stop it in order; guests go on and are adopted by the next start. SIGUSR2 prints its state as JSON.
`;
