import { Command } from "commander";
import { assertSafeListen } from "../../api/safe-listen.ts";
import { startController } from "../../controller/controller.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Cli } from "../cli.ts";
import { serveUntilStopped } from "../serve.ts";
import {
  addListenOptions,
  addSettingsOptions,
  listenLayers,
  loggerOf,
  settingsOf,
  type ListenOptions,
  type SettingsOptions,
} from "../settings-options.ts";
import { version } from "../version.ts";

/** Less than what `up` allows its controller. */
const graceMs = 12_000;

type Options = SettingsOptions & ListenOptions;

export function command(cli: Cli): Command {
  const controller = new Command("controller").description(
    `Runs a controller: takes telemetry in, decides what is lent to whom, serves the gRPC APIs, keeps the books. Needs a Redis
of its own zone: REDIS_URL, or redisUrl in the settings file. Logs go to stderr, one JSON object a line unless it is a terminal.`,
  );
  return addListenOptions(addSettingsOptions(controller, cli))
    .addHelpText("after", help)
    .action(async (options: Options) => {
      const settings = settingsOf(cli, options, listenLayers(options));
      if (settings.redisUrl === "")
        throw new GleanerError("CONFIG_INVALID", {
          source: options.config ?? "settings",
          field: "redisUrl",
          problem: "missing: set REDIS_URL, or run `gleaner up`, which starts a Redis of its own",
          command: "controller",
        });
      // Before anything is changed, in Redis too.
      await assertSafeListen(settings.listen.apiAddress);
      await assertSafeListen(settings.listen.httpAddress);
      const logger = loggerOf(cli, options, "controller");
      await serveUntilStopped(graceMs, async () => {
        const { dataDir, redisUrl } = settings;
        const running = await startController({ settings, dataDir, redisUrl, logger, version: version() });
        const { apiAddress, httpAddress, lost } = running;
        return {
          addresses: { apiAddress, httpAddress },
          lost,
          stop: () => running.stop(),
          debugDump: () => running.debugDump(),
        };
      });
    });
}

const help = `
Examples:
  $ REDIS_URL=redis://127.0.0.1:6379 gleaner controller --config gleaner.yaml
  $ curl -s http://127.0.0.1:7071/readyz
SIGTERM and Ctrl-C stop it in order: nothing more is lent, calls are answered, what is known is written, for 12 s at most. A second
one ends it at once. Guests go on and are adopted by the next start. SIGUSR2 prints what it holds to stderr, one JSON object.
`;
