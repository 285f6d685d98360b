import type { CommandModule } from "./cli.ts";

/** Every command: its line in `gleaner --help`, and its file, loaded only when it is asked for. */
export const commands: Readonly<Record<string, Entry>> = {
  demo: {
    summary: "Show the whole thing at work on this machine, in 90 seconds",
    load: () => import("./commands/demo.ts"),
  },
  up: {
    summary: "Run controller, agents and a private Redis on this machine",
    load: () => import("./commands/up.ts"),
  },
  controller: { summary: "Run a controller", load: () => import("./commands/controller.ts") },
  agent: { summary: "Run the agent of a GPU host", load: () => import("./commands/agent.ts") },
  submit: {
    summary: "Hand in guests: a command line or a file of many",
    load: () => import("./commands/submit.ts"),
  },
  jobs: { summary: "List guests", load: () => import("./commands/jobs.ts") },
  logs: { summary: "Show what a guest printed", load: () => import("./commands/logs.ts") },
  explain: { summary: "Say why a guest waits", load: () => import("./commands/explain.ts") },
  decisions: {
    summary: "Show what was decided and why, and decide it again",
    load: () => import("./commands/decisions.ts"),
  },
  cancel: { summary: "End guests", load: () => import("./commands/cancel.ts") },
  recall: { summary: "Take devices back by a deadline", load: () => import("./commands/recall.ts") },
  busy: { summary: "Say that an owner is about to work", load: () => import("./commands/busy.ts") },
  idle: { summary: "Say that an owner is done", load: () => import("./commands/idle.ts") },
  hold: { summary: "Stop lending somewhere, or everywhere", load: () => import("./commands/hold.ts") },
  unhold: { summary: "End holds", load: () => import("./commands/unhold.ts") },
  policy: { summary: "Show or set the rules of pools", load: () => import("./commands/policy.ts") },
  backtest: {
    summary: "Play lending policies over a recorded trace, before anything is lent",
    load: () => import("./commands/backtest.ts"),
  },
  report: { summary: "Show where every device-second went", load: () => import("./commands/report.ts") },
  top: { summary: "Watch the fleet live", load: () => import("./commands/top.ts") },
};

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}
