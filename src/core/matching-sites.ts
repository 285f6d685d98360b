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

/** In the order of their smallest uuids, which is what decides between sites that are worth the same. */
export function findSites(placement: Placement): Sites {
  const { devices, opportunities } = placement;
  const found = new FoundSites();
  const siteOf = new Int32Array(devices.length).fill(-1);
  for (let place = 0; place < devices.length; place++) {
    const opportunity = opportunities[placement.opportunityOf(place)];
    if (opportunity !== undefined)
      siteOf[place] = found.add(
        opportunity.window.pool,
        devices[place]!.info.host,
        devices[place]!.info.uuid,
      );
  }

  const order = found.byUuid();
  const starts = new Int32Array(order.length + 1);
  /** By site as found: where its next member goes; −1: alone on its host, a device is no gang. */
  const next = new Int32Array(found.sizes.length).fill(-1);
  order.forEach((site, rank) => {
    next[site] = starts[rank]!;
    starts[rank + 1] = starts[rank]! + found.sizes[site]!;
  });
  const places = new Int32Array(starts[order.length]!);
  const members = new Int32Array(places.length);
  for (let place = 0; place < devices.length; place++) {
    const site = siteOf[place]!;
    if (site < 0 || next[site]! < 0) continue;
    const member = next[site]!++;
    places[member] = place;
    members[member] = placement.opportunityOf(place);
  }
  const pools = order.map((site) => found.pools[site]!);
  return { count: order.length, pools, starts, places, opportunities: members };
}

class FoundSites {
  readonly pools: PoolTally[] = [];
  readonly sizes: number[] = [];
  readonly #hosts: string[] = [];
  readonly #firstUuids: DeviceUuid[] = [];
  readonly #byPool = new Map<PoolTally, Map<string, number>>();
  #latest = -1;

  /** The site of a device. */
  add(pool: PoolTally, host: string, uuid: DeviceUuid): number {
    let site = this.#latest;
    // Devices of a host mostly follow each other.
    if (this.#hosts[site] !== host || this.pools[site] !== pool) site = this.#find(pool, host, uuid);
    this.#latest = site;
    this.sizes[site]!++;
    if (uuid < this.#firstUuids[site]!) this.#firstUuids[site] = uuid;
    return site;
  }

  byUuid(): number[] {
    const byUuid = new Map<DeviceUuid, number>();
    for (let site = 0; site < this.sizes.length; site++)
      if (this.sizes[site]! > 1) byUuid.set(this.#firstUuids[site]!, site);
    // Sorting bare strings is many times faster than a comparison function.
    return [...byUuid.keys()].toSorted().map((uuid) => byUuid.get(uuid)!);
  }

  #find(pool: PoolTally, host: string, uuid: DeviceUuid): number {
    let byHost = this.#byPool.get(pool);
    if (byHost === undefined) {
      byHost = new Map();
      this.#byPool.set(pool, byHost);
    }
    let site = byHost.get(host);
    if (site === undefined) {
      site = this.pools.length;
      byHost.set(host, site);
      this.pools.push(pool);
      this.#hosts.push(host);
      this.#firstUuids.push(uuid);
      this.sizes.push(0);
    }
    return site;
  }
}
