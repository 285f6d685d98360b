import { Heap } from "./heap.ts";
import type { Ask } from "./matching-asks.ts";
import { canHostWhole } from "./matching-shape.ts";
import type { Opportunity, Placement } from "./placement.ts";

/** The free devices of one pool on one host: a gang lies under one owner's rules. */
interface GangSite {
  readonly host: string;
  readonly pool: string;
  /** In the order of uuids. */
  readonly members: readonly Member[];
}

interface Member {
  readonly place: number;
  readonly opportunity: Opportunity;
}

/** A site as one ask sees it. The gang is worth what its worst member is: returns on one host come together. */
export interface GangHost {
  readonly site: GangSite;
  valueMs: number;
  members: readonly Member[];
}

/** Finds hosts for gangs. */
export class Gangs {
  readonly #placement: Placement;
  #sites: readonly GangSite[] | null = null;

  constructor(placement: Placement) {
    this.#placement = placement;
  }

  /** The members on the host that is worth most to the ask; null: no host has enough that fit. */
  find(ask: Ask): readonly Member[] | null {
    ask.gangHosts ??= new Heap(worthMore, this.#hostsFor(ask));
    const hosts = ask.gangHosts;
    for (;;) {
      const host = hosts.first;
      if (host === undefined) return null;
      const now = this.#judge(ask, host.site);
      if (now === null) {
        hosts.removeFirst();
        continue;
      }
      const isAsBefore = now.valueMs === host.valueMs;
      host.valueMs = now.valueMs;
      host.members = now.members;
      if (isAsBefore) return host.members;
      hosts.settleFirst();
    }
  }

  #hostsFor(ask: Ask): GangHost[] {
    this.#sites ??= this.#findSites();
    const hosts: GangHost[] = [];
    for (const site of this.#sites) {
      if (site.members.length < ask.shape.devices) continue;
      const host = this.#judge(ask, site);
      if (host !== null) hosts.push(host);
    }
    return hosts;
  }

  #judge(ask: Ask, site: GangSite): GangHost | null {
    const { devices } = ask.shape;
    const fitting = site.members.filter(
      ({ place, opportunity }) =>
        !this.#placement.isTaken(place) &&
        opportunity.window.pool.budget >= devices &&
        canHostWhole(ask.shape, opportunity) &&
        ask.fits.of(opportunity.window).obstacle === null,
    );
    if (fitting.length < devices) return null;
    const value = ({ opportunity }: Member) => ask.fits.of(opportunity.window).valueMs;
    // The sort is stable: equal values stay in the order of uuids.
    const members = fitting.sort((a, b) => value(b) - value(a)).slice(0, devices);
    return { site, valueMs: value(members.at(-1)!), members };
  }

  #findSites(): GangSite[] {
    const sites = new Map<string, Map<string, { host: string; pool: string; members: Member[] }>>();
    const { devices, opportunities } = this.#placement;
    for (const opportunity of opportunities) {
      const pool = opportunity.window.pool.name;
      let hosts = sites.get(pool);
      if (hosts === undefined) {
        hosts = new Map();
        sites.set(pool, hosts);
      }
      for (const place of opportunity.places) {
        const { host } = devices[place]!.info;
        const site = hosts.get(host);
        if (site === undefined) hosts.set(host, { host, pool, members: [{ place, opportunity }] });
        else site.members.push({ place, opportunity });
      }
    }
    const uuid = ({ place }: Member) => devices[place]!.info.uuid;
    const all = [...sites.values()].flatMap((hosts) => [...hosts.values()]);
    for (const { members } of all) members.sort((a, b) => (uuid(a) < uuid(b) ? -1 : 1));
    return all;
  }
}

function worthMore(a: GangHost, b: GangHost): boolean {
  if (a.valueMs !== b.valueMs) return a.valueMs > b.valueMs;
  if (a.site.host !== b.site.host) return a.site.host < b.site.host;
  return a.site.pool < b.site.pool;
}
