import { parseSettings } from "../../../src/config/settings.ts";
import { createLogger } from "../../../src/runtime/log.ts";
import { runAgent } from "../../../src/agent/agent.ts";
import { gpu } from "./agent-rig.ts";
import { ToldSource } from "./told-source.ts";

/** An agent as a process of its own, to be killed: `node agent-process.ts DATA_DIR CONTROLLER`. Its devices are idle. */
const [dataDir = "", controllerAddress = ""] = process.argv.slice(2);
const source = new ToldSource(gpu);
setInterval(() => source.tell(0), 50);
await runAgent({
  agentId: "lab-1",
  host: "lab-1",
  dataDir,
  controllerAddress,
  recallListen: null,
  source,
  settings: parseSettings({ terms: { termMs: 10_000, renewIntervalMs: 1_000 } }, "test"),
  env: { PATH: "/usr/bin:/bin" },
  logger: createLogger({ name: "agent", level: "error" }),
});
