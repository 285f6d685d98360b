import { parseSettings } from "../../../src/config/settings.ts";
import { createLogger } from "../../../src/runtime/log.ts";
import { type AgentOptions, runAgent } from "../../../src/agent/agent.ts";
import { gpu } from "./agent-rig.ts";
import { ToldSource } from "./told-source.ts";

/** An agent as a process of its own, to be killed: `node agent-process.ts DATA_DIR CONTROLLER [RUNTIME [TERM_MS]]`. Its devices are idle. */
const [dataDir = "", controllerAddress = "", runtime = "auto", termMs = "10000"] = process.argv.slice(2);
const source = new ToldSource(gpu);
setInterval(() => source.tell(0), 50);
const agent = await runAgent({
  agentId: "lab-1",
  host: "lab-1",
  dataDir,
  controllerAddress,
  recallListen: null,
  source,
  settings: parseSettings(
    {
      terms: { termMs: Number(termMs), renewIntervalMs: Number(termMs) / 10, driftMs: 50 },
      recall: { killMarginMs: 400 },
    },
    "test",
  ),
  runtime: runtime as NonNullable<AgentOptions["runtime"]>,
  env: { PATH: "/usr/bin:/bin" },
  logger: createLogger({ name: "agent", level: "error" }),
});
process.once("SIGTERM", () => void agent.stop({ vacate: true }).then(() => process.exit(0)));
