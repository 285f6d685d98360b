import type { Clients } from "../api/client.ts";

export type { Clients } from "../api/client.ts";

/** Calls the controller, at one address or at several with commas between, and closes the connection afterwards, so that the process can end. gRPC is loaded only here. */
export async function withClients<T>(address: string, call: (clients: Clients) => Promise<T>): Promise<T> {
  const { connectClients } = await import("../api/client.ts");
  const clients = connectClients(address.split(","));
  try {
    return await call(clients);
  } finally {
    clients.close();
  }
}
