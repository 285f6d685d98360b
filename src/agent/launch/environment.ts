import { groupVariable } from "../runtime/process-tree.ts";

/** What the guest's contract tells the guest. */
export interface GuestContract {
  readonly guestId: string;
  readonly attempt: number;
  readonly checkpointDir: string;
  readonly noticeMs: number;
  readonly checkpointIntervalMs: number;
  /** UUIDs of the devices that it may see. */
  readonly devices: readonly string[];
}

/** The only variables of the agent that guests see. */
const inherited = ["PATH", "HOME", "LANG"] as const;

/** The guest's whole environment. The contract wins over what the submitter set, the submitter over what is inherited. */
export function guestEnvironment(
  contract: GuestContract,
  groupHandle: string,
  submitted: Readonly<Record<string, string>>,
  agentEnv: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of inherited) {
    const value = agentEnv[name];
    if (value !== undefined) env[name] = value;
  }
  for (const [name, value] of Object.entries(submitted)) if (!name.startsWith("GLEANER_")) env[name] = value;
  const devices = contract.devices.join(",");
  return {
    ...env,
    GLEANER_JOB_ID: contract.guestId,
    GLEANER_ATTEMPT: String(contract.attempt),
    GLEANER_CHECKPOINT_DIR: contract.checkpointDir,
    GLEANER_NOTICE_S: seconds(contract.noticeMs),
    GLEANER_CHECKPOINT_INTERVAL_S: seconds(contract.checkpointIntervalMs),
    CUDA_VISIBLE_DEVICES: devices,
    NVIDIA_VISIBLE_DEVICES: devices,
    [groupVariable]: groupHandle,
  };
}

function seconds(ms: number): string {
  return String(ms / 1_000);
}
