import { once } from "node:events";
import { createServer } from "node:net";

/** Below what systems hand out to outgoing connections, so that nobody gets it while its process is down. */
const [portMin, portMax] = [20_000, 32_000];

const given = new Set<number>();

/** Of a port of loopback that nobody listens on, and that was given to nobody here. */
export async function freeAddress(): Promise<string> {
  for (;;) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin));
    if (given.has(port)) continue;
    given.add(port);
    const server = createServer();
    const isFree = await Promise.race([
      once(server.listen(port, "127.0.0.1"), "listening").then(() => true),
      once(server, "error").then(() => false),
    ]);
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return `127.0.0.1:${port}`;
  }
}
