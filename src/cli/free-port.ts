import { createServer, type AddressInfo } from "node:net";

/** A loopback address that nobody listens on now; the same over restarts of whoever takes it. */
export function freeAddress(): Promise<string> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(`127.0.0.1:${port}`));
    });
  });
}
