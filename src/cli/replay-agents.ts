import type { AgentPlan } from "./local-stack.ts";

export interface ReplayPlan {
  readonly trace: string;
  readonly speed: number;
  /** Over all hosts. */
  readonly devices: number;
}

/** A trace, dealt out among hosts that keep step with each other and begin again at its end. */
export function replayAgents(hostCount: number, { trace, speed, devices }: ReplayPlan): AgentPlan[] {
  const replay = ["--telemetry", `replay:${trace}`, "--speed", String(speed), "--loop"];
  const chosen = ["--devices", String(devices), "--start-at", String(Date.now())];
  return hostNames(hostCount).map((host, index) => ({
    host,
    telemetryWords: [...replay, ...chosen, "--part", `${index + 1}/${hostCount}`],
  }));
}

export function hostNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `host-${index + 1}`);
}
