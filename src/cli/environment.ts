import { homedir } from "node:os";
import { join } from "node:path";
import { parseLogLevel, type LogLevel } from "../runtime/log.ts";

/** What Gleaner takes from the environment; nothing else is read. Empty variables count as unset. */
export interface Environment {
  /** GLEANER_ADDRESS: the controller that clients and agents call; several with commas between. */
  readonly address: string | null;
  /** GLEANER_CONFIG: the settings file. */
  readonly configPath: string | null;
  /** GLEANER_DATA_DIR. */
  readonly dataDir: string | null;
  /** GLEANER_LOG: the least level that is logged. */
  readonly logLevel: LogLevel | null;
  /** GLEANER_ZONE. */
  readonly zone: string | null;
  /** REDIS_URL. */
  readonly redisUrl: string | null;
  /** NO_COLOR, or a TERM that knows none. */
  readonly noColor: boolean;
  /** What guests see of it. */
  readonly guestEnv: Readonly<Record<string, string | undefined>>;
  /** Where the state of this user's programs goes: XDG_STATE_HOME/gleaner; for root /var/lib/gleaner. */
  readonly stateDir: string;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** Throws CONFIG_INVALID, naming the variable. */
export function readEnvironment(variables: Variables): Environment {
  const read = (name: string) => variables[name] || null;
  const logLevel = read("GLEANER_LOG");
  return {
    address: read("GLEANER_ADDRESS"),
    configPath: read("GLEANER_CONFIG"),
    dataDir: read("GLEANER_DATA_DIR"),
    logLevel: logLevel === null ? null : parseLogLevel(logLevel, "GLEANER_LOG"),
    zone: read("GLEANER_ZONE"),
    redisUrl: read("REDIS_URL"),
    noColor: read("NO_COLOR") !== null || read("TERM") === "dumb",
    guestEnv: { PATH: variables["PATH"], HOME: variables["HOME"], LANG: variables["LANG"] },
    stateDir: stateDir(read("XDG_STATE_HOME")),
  };
}

function stateDir(xdgStateHome: string | null): string {
  if (process.getuid?.() === 0) return "/var/lib/gleaner";
  return join(xdgStateHome ?? join(homedir(), ".local", "state"), "gleaner");
}
