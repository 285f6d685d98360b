import { Option, type Command } from "commander";
import { join } from "node:path";
import { defaults } from "../config/defaults.ts";
import type { Settings } from "../config/settings.ts";
import { createLogger, parseLogLevel, type Logger, type LogLevel } from "../runtime/log.ts";
import type { Cli } from "./cli.ts";
import { parseListenAddress } from "./options.ts";
import { fileLayer, layeredSettings, type Layer } from "./settings-file.ts";

/** Options of the commands that run something: where settings come from and how much is logged. */
export interface SettingsOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly zone?: string;
  readonly log?: string;
}

export function addSettingsOptions(command: Command, cli: Cli): Command {
  return addPlaceOptions(command, cli).option(
    "--log <level>",
    "least level that is logged (GLEANER_LOG; default info)",
  );
}

/** Of the commands that only read what another one wrote. */
export function addPlaceOptions(command: Command, cli: Cli): Command {
  const { environment } = cli;
  const config = new Option("--config <path>", "settings file, YAML or JSON (GLEANER_CONFIG)");
  if (environment.configPath !== null) config.default(environment.configPath);
  return command
    .addOption(config)
    .option("--data-dir <dir>", "books, logs, agents' state (GLEANER_DATA_DIR)")
    .option("--zone <name>", "name of the zone (GLEANER_ZONE)");
}

/** Built-in defaults ← `base` ← file ← environment ← options ← `further`. `dataDir` is filled in. */
export function settingsOf(
  cli: Cli,
  options: SettingsOptions,
  further: readonly Layer[] = [],
  base: Layer["values"] = {},
): Settings {
  const { environment } = cli;
  const layers: Layer[] = [];
  const set = (source: string, name: string, value: string | null | undefined) => {
    if (value !== null && value !== undefined) layers.push({ source, values: { [name]: value } });
  };
  set("GLEANER_DATA_DIR", "dataDir", environment.dataDir);
  set("GLEANER_ZONE", "zone", environment.zone);
  set("REDIS_URL", "redisUrl", environment.redisUrl);
  set("--data-dir", "dataDir", options.dataDir);
  set("--zone", "zone", options.zone);
  const file = options.config === undefined ? [] : [fileLayer(options.config)];
  const settings = layeredSettings([
    { source: "built-in settings", values: base },
    ...file,
    ...layers,
    ...further,
  ]);
  return { ...settings, dataDir: settings.dataDir || join(environment.stateDir, settings.zone) };
}

export function loggerOf(cli: Cli, options: SettingsOptions, name: string): Logger {
  return createLogger({ name, level: logLevelOf(cli, options) });
}

export function logLevelOf(cli: Cli, { log }: SettingsOptions): LogLevel {
  if (log !== undefined) return parseLogLevel(log, "--log");
  return cli.environment.logLevel ?? "info";
}

export interface ListenOptions {
  readonly apiAddress?: string;
  readonly httpAddress?: string;
}

export function addListenOptions(command: Command): Command {
  const { apiAddress, httpAddress } = defaults.listen;
  return command
    .addOption(
      new Option("--api-address <host:port>", `gRPC; default ${apiAddress}`).argParser(parseListenAddress),
    )
    .addOption(
      new Option(
        "--http-address <host:port>",
        `/metrics, /healthz, /readyz; default ${httpAddress}`,
      ).argParser(parseListenAddress),
    );
}

export function listenLayers({ apiAddress, httpAddress }: ListenOptions): Layer[] {
  const layer = (source: string, name: string, address: string | undefined) =>
    address === undefined ? [] : [{ source, values: { listen: { [name]: address } } }];
  return [
    ...layer("--api-address", "apiAddress", apiAddress),
    ...layer("--http-address", "httpAddress", httpAddress),
  ];
}
