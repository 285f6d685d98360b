import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Logger } from "./log.ts";

export interface HttpServer extends AsyncDisposable {
  /** HOST:PORT as bound, so that port 0 can be asked for. */
  readonly address: string;
  close(): Promise<void>;
}

export interface HttpOptions {
  /** HOST:PORT; not loopback only where `anyAddress`. */
  readonly address: string;
  readonly anyAddress?: boolean;
  readonly registry: Registry;
  /** null: ready; otherwise why not. */
  readonly notReady: () => string | null;
  /** What is amiss though it serves: a recall must not be turned away because a report would be. */
  readonly amiss?: () => string | null;
  readonly log: Logger;
}

const connectionsMax = 64;
const requestMs = 5_000;

/** Serves /metrics, /healthz and /readyz. Throws INSECURE_LISTEN, LISTEN_FAILED. */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const { host, port } = splitAddress(options.address);
  if (options.anyAddress !== true && !isLoopback(host))
    throw new GleanerError("INSECURE_LISTEN", { address: options.address });

  const server = createServer(
    {
      requestTimeout: requestMs,
      headersTimeout: requestMs,
      keepAliveTimeout: requestMs,
      maxHeaderSize: 8_192,
    },
    (request, response) => {
      answer(options, request, response).catch((thrown: unknown) => {
        options.log.error({ err: thrown, url: request.url }, "an HTTP request failed");
        send(response, 500, "a defect in Gleaner; see its log");
      });
    },
  );
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (thrown) =>
      reject(
        new GleanerError(
          "LISTEN_FAILED",
          { address: options.address, problem: thrown.message },
          { cause: thrown },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });

  const bound = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const shown = bound.family === "IPv6" ? `[${bound.address}]` : bound.address;
  return { address: `${shown}:${bound.port}`, close, [Symbol.asyncDispose]: close };
}

async function answer(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? "").split("?", 1)[0];
  if (path !== "/metrics" && path !== "/healthz" && path !== "/readyz") {
    send(response, 404, "not found; here are /metrics, /healthz and /readyz");
  } else if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    send(response, 405, "only GET and HEAD");
  } else if (path === "/metrics") {
    const text = await options.registry.metrics();
    response.setHeader("content-type", options.registry.contentType);
    response.end(text);
  } else {
    const reason = path === "/readyz" ? options.notReady() : null;
    const amiss = path === "/readyz" ? (options.amiss?.() ?? null) : null;
    if (reason === null) send(response, 200, amiss === null ? "ok" : `ok, but: ${amiss}`);
    else send(response, 503, `not ready: ${reason}`);
  }
}

function send(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}

/** `127.0.0.1:7071` or `[::1]:7071`. */
function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(address.slice(colon + 1)) };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
