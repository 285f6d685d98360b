import { connect, type ClientHttp2Session } from "node:http2";

/** What ts-proto's descriptions of unary methods have in common. */
interface UnaryMethod<Request, Response> {
  readonly name: string;
  readonly requestType: { encode(request: Request): { finish(): Uint8Array } };
  readonly responseType: { decode(bytes: Uint8Array): Response };
}

/** gRPC's frame: whether it is compressed, and its length. */
const prefixBytes = 5;

/**
 * Unary gRPC calls straight on one HTTP/2 connection, to make load with: grpc-js's client spends more processor time on a
 * call than its server does, so with it one measures the client.
 */
export class LoadClient implements Disposable {
  readonly #session: ClientHttp2Session;

  /** `address` is HOST:PORT. */
  constructor(address: string) {
    this.#session = connect(`http://${address}`);
  }

  /** Rejects for every status but OK. */
  call<Request, Response>(
    service: string,
    method: UnaryMethod<Request, Response>,
    request: Request,
  ): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const stream = this.#session.request({
      ":method": "POST",
      ":path": `/${service}/${method.name}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    let status: unknown;
    const noteStatus = (headers: { readonly "grpc-status"?: unknown }) => (status ??= headers["grpc-status"]);
    stream.on("response", noteStatus);
    stream.on("trailers", noteStatus);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      if (status === "0") resolve(method.responseType.decode(Buffer.concat(chunks).subarray(prefixBytes)));
      else reject(new Error(`${method.name} was answered with status ${String(status)}`));
    });
    stream.end(framed(method.requestType.encode(request).finish()));
    return promise;
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(prefixBytes + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}
