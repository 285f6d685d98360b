import { CommandOutcome, LeaseState, Mover } from "../../src/gen/gleaner/v1/agents.ts";
import { systemClock, every } from "../../src/runtime/clock.ts";
import { AgentPeer } from "../../test/support/agent-peer.ts";

export interface PeersPlan {
  readonly role: "peers";
  readonly controllerAddress: string;
  readonly firstHost: number;
  readonly hosts: number;
  readonly devicesPerHost: number;
  readonly sampleIntervalMs: number;
  readonly renewIntervalMs: number;
  /** A guest runs between half and one and a half of it, unless it is made to leave. */
  readonly workMs: number;
}

/** Agents at once that have no Welcome yet. */
const connectingMax = 20;

/** Many agents' streams from one process, each on a connection of its own; their guests only take time. */
export async function startPeers(plan: PeersPlan): Promise<{ stop(): Promise<void> }> {
  const { hosts, firstHost, devicesPerHost, controllerAddress, workMs } = plan;
  const peers = Array.from({ length: hosts }, (_, i) => {
    const host = `soak-${firstHost + i}`;
    return new AgentPeer({
      host,
      pool: "soak",
      devices: Array.from({ length: devicesPerHost }, (__, device) => `GPU-${host}-${device}`),
      onStart(self, lease) {
        self.answer(lease.header, CommandOutcome.DONE);
        self.report(lease, LeaseState.RUNNING);
        systemClock.after(workMs * (0.5 + Math.random()), () => {
          // It may have left before, because its owner came.
          if (self.leases.has(lease.header.leaseId))
            self.report(lease, LeaseState.RELEASED, { mover: Mover.GUEST, exitCode: 0, workedMs: workMs });
        });
      },
    });
  });
  for (let at = 0; at < hosts; at += connectingMax)
    await Promise.all(peers.slice(at, at + connectingMax).map((peer) => peer.connect(controllerAddress)));
  const stops = peers.flatMap((peer, i) => [
    staggered(plan.sampleIntervalMs, i / hosts, () => peer.sample(0)),
    staggered(plan.renewIntervalMs, i / hosts, () => {
      peer.renew(new Map([...peer.leases.keys()].map((leaseId) => [leaseId, 1_000])));
      peer.commands.length = 0; // a soak asks for none of them, and they would fill the memory
    }),
  ]);
  for (const peer of peers) peer.sample(0);
  return {
    async stop() {
      for (const stop of stops) stop();
      for (const peer of peers) peer.disconnect();
      await Promise.all(peers.map((peer) => peer.ended));
    },
  };
}

/** Hosts do not tick together. */
function staggered(ms: number, share: number, act: () => void): () => void {
  let stop = systemClock.after(ms * share, () => {
    stop = every(systemClock, ms, act);
  });
  return () => stop();
}
