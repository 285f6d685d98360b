import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

/** Port 0 becomes one that nobody listens on now, so that it stays the same over restarts of whoever takes it. */
export async function fixedAddress(address: string): Promise<string> {
  const host = /^(.*):0$/.exec(address)?.[1];
  if (host === undefined) return address;
  const server = createServer().listen(0, host.replace(/^\[|\]$/g, ""));
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `${host}:${port}`;
}
