import type { AgentServiceImplementation } from "../../gen/gleaner/v1/agents.ts";
import type { OpenStreams } from "../open-streams.ts";
import type { AgentDesk } from "../ports.ts";

/** The desk speaks the wire's own words here: what an agent says is judged where its lease or device is known. */
export function agentService(desk: AgentDesk, sessions: OpenStreams): AgentServiceImplementation {
  return {
    connect: (incoming, { signal }) => sessions.serve(signal, (open) => desk.connect(incoming, open)),
  };
}
