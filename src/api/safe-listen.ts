import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { GleanerError } from "../errors/gleaner-error.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/**
 * Throws INSECURE_LISTEN for an address that others than this machine can reach; there are no credentials in this release.
 * `HOST:PORT`, `[IPV6]:PORT` or `unix:/path`. Every address that a host name stands for must be a loopback address.
 */
export async function assertSafeListen(address: string): Promise<void> {
  if (address.startsWith("unix:")) return;
  const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
  const host = parts?.[1] ?? parts?.[2];
  if (host === undefined || Number(parts?.[3]) > 65_535)
    throw new GleanerError("LISTEN_FAILED", { address, problem: "not HOST:PORT, [IPV6]:PORT or unix:/path" });
  const resolved = isIP(host) === 0 ? await resolve(host, address) : [host];
  if (!resolved.every(isLoopback)) throw new GleanerError("INSECURE_LISTEN", { address });
}

async function resolve(host: string, address: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map((entry) => entry.address);
  } catch (cause) {
    throw new GleanerError(
      "LISTEN_FAILED",
      { address, problem: `the name ${host} has no address` },
      { cause },
    );
  }
}

/** An IPv4 address written as IPv6 (::ffff:127.0.0.1) counts as what it stands for. */
function isLoopback(ip: string): boolean {
  return loopback.check(ip, isIP(ip) === 6 ? "ipv6" : "ipv4");
}
