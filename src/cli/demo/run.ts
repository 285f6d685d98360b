import { setTimeout as sleep } from "node:timers/promises";
import { guestFromProto } from "../../api/convert/guest.ts";
import { policyToProto } from "../../api/convert/policy.ts";
import { recallOrderToProto } from "../../api/convert/recall.ts";
import { fleetFromProto, reportFromProto } from "../../api/convert/report.ts";
import { targetToProto } from "../../api/convert/target.ts";
import type { GuestView } from "../../api/ports.ts";
import { policySchema } from "../../config/settings.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Report } from "../../report/report.ts";
import type { Clients } from "../connect.ts";
import { demoGuests } from "./guests.ts";
import { isAbort } from "./is-abort.ts";
import { ownerCallsRecall } from "./owner.ts";
import { fastFleetSettings } from "./settings.ts";
import type { DemoView } from "./view.ts";

const settleMsMax = 20_000;
const fleet = targetToProto({ kind: "fleet" });

/** From the first guest handed in to the last one back. Ends early when the signal aborts; answers with the books. */
export async function runDemo(
  clients: Clients,
  view: DemoView,
  { agents, seconds }: { readonly agents: number; readonly seconds: number },
  signal: AbortSignal,
): Promise<{ report: Report; guests: GuestView[] } | null> {
  const pools = await poolsOf(clients, agents, signal);
  await setPolicies(clients, pools);
  const { results } = await clients.guests.submitBatch({ requests: demoGuests() });
  const refused = results.find(({ outcome }) => outcome?.$case === "refused")?.outcome;
  if (refused?.$case === "refused") throw new GleanerError("INTERNAL", { problem: refused.value.message });
  view.say(`guests      ${results.length} handed in over gRPC, of three tenants`);

  const over = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1_000)]);
  await Promise.all([
    view.follow(clients, over),
    ownerCallsRecall(
      clients,
      () => view.devices,
      (line) => view.say(line),
      over,
    ),
  ]);
  if (signal.aborted) return null;

  view.say(
    "time is up: nothing new is lent (gleaner hold --fleet), and what is lent is taken back (gleaner recall --fleet)",
  );
  await clients.owners.hold({ target: fleet, reason: "the demo ends", recall: false });
  await recallAll(clients);
  await settled(clients, signal);
  if (signal.aborted) return null;
  return { report: reportFromProto(await clients.reports.getReport({})), guests: await allGuests(clients) };
}

/** Pools of the fleet, once all agents have told of all their devices. */
async function poolsOf({ reports }: Clients, agentsMin: number, signal: AbortSignal): Promise<string[]> {
  for await (const message of reports.watchFleet({ intervalMs: 200 }, { signal })) {
    const { devices, agents } = fleetFromProto(message);
    if (agents >= agentsMin && devices.length > 0)
      return [...new Set(devices.map(({ pool }) => pool))].toSorted();
  }
  return [];
}

/** One pool's owners get their compute back by a pause first; of the last pool, guests have to leave at once. */
async function setPolicies({ owners }: Clients, pools: readonly string[]): Promise<void> {
  const [base] = fastFleetSettings.policies;
  for (const [index, pool] of pools.entries()) {
    const leaves = index > 0 && index === pools.length - 1;
    const rungs = leaves ? { firstRung: "vacate", pauseBudgetMs: 0 } : {};
    const policy = policySchema.parse({ ...base, ...rungs, pool, owner: `owner-${index + 1}` });
    await owners.setPolicy({ policy: policyToProto(policy) });
  }
}

async function recallAll({ owners }: Clients): Promise<void> {
  const order = recallOrderToProto({
    target: { kind: "fleet" },
    deadlineMs: null,
    firstRung: "vacate",
    reason: "the demo ends",
    holdMs: null,
  });
  for await (const _ of owners.recall(order));
}

/** Until no guest holds a device, and the books have heard of it. */
async function settled({ reports }: Clients, signal: AbortSignal): Promise<void> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(settleMsMax)]);
  try {
    for await (const message of reports.watchFleet({ intervalMs: 200 }, { signal: patience }))
      if (fleetFromProto(message).devices.every(({ leases }) => leases.length === 0)) break;
    await sleep(2 * fastFleetSettings.ledger.drainIntervalMs, undefined, { signal });
  } catch (thrown) {
    if (!isAbort(thrown, patience)) throw thrown;
  }
}

async function allGuests({ guests }: Clients): Promise<GuestView[]> {
  const all: GuestView[] = [];
  let pageToken = "";
  do {
    const page = await guests.list({ pageSize: 1_000, pageToken });
    all.push(...page.guests.map(guestFromProto));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}
