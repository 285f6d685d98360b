import type { DeviceUuid } from "./device.ts";
import type { Placement, PoolTally } from "./placement.ts";

/**
 * What is free of one pool on one host: a gang lies under one owner's rules. All sites' devices lie side by side in
 * typed arrays, since every ask of a gang reads all of them.
 */
export interface Sites {
  readonly count: number;
  readonly pools: readonly PoolTally[];
  /** First member of each site, and the end. */
  readonly starts: Int32Array;
  /** By member: the device's place in the snapshot, and its opportunity's index. */
  readonly places: Int32Array;
  readonly opportunities: Int32Array;
}

interface Site {
  readonly pool: PoolTally;
  readonly host: string;
  readonly places: number[];
  firstUuid: DeviceUuid;
}

/** In the order of their smallest uuids, which is what decides between sites that are worth the same. */
export function findSites(placement: Placement): Sites {
  const sites = sitesByUuid(placement);
  const starts = new Int32Array(sites.length + 1);
  for (let site = 0; site < sites.length; site++)
    starts[site + 1] = starts[site]! + sites[site]!.places.length;
  const places = new Int32Array(starts[sites.length]!);
  const opportunities = new Int32Array(places.length);
  let member = 0;
  for (const site of sites)
    for (const place of site.places) {
      places[member] = place;
      opportunities[member++] = placement.opportunityOf(place);
    }
  return { count: sites.length, pools: sites.map(({ pool }) => pool), starts, places, opportunities };
}

function sitesByUuid(placement: Placement): Site[] {
  const { devices, opportunities } = placement;
  const byPool = new Map<PoolTally, Map<string, Site>>();
  let site: Site | undefined;
  for (let place = 0; place < devices.length; place++) {
    const opportunity = opportunities[placement.opportunityOf(place)];
    if (opportunity === undefined) continue;
    const { host, uuid } = devices[place]!.info;
    const { pool } = opportunity.window;
    // Devices of a host mostly follow each other.
    if (site?.host !== host || site.pool !== pool) site = siteOf(byPool, pool, host, uuid);
    site.places.push(place);
    if (uuid < site.firstUuid) site.firstUuid = uuid;
  }
  const byUuid = new Map<DeviceUuid, Site>();
  // Alone on its host, a device is no gang.
  for (const byHost of byPool.values())
    for (const found of byHost.values()) if (found.places.length > 1) byUuid.set(found.firstUuid, found);
  // Sorting bare strings is many times faster than a comparison function.
  return [...byUuid.keys()].toSorted().map((uuid) => byUuid.get(uuid)!);
}

function siteOf(
  byPool: Map<PoolTally, Map<string, Site>>,
  pool: PoolTally,
  host: string,
  firstUuid: DeviceUuid,
): Site {
  let byHost = byPool.get(pool);
  if (byHost === undefined) {
    byHost = new Map();
    byPool.set(pool, byHost);
  }
  let site = byHost.get(host);
  if (site === undefined) {
    site = { pool, host, places: [], firstUuid };
    byHost.set(host, site);
  }
  return site;
}
