import { credentials, Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import { BadRequest, ErrorInfo, RetryInfo } from "../../src/gen/google/rpc/error_details.ts";
import { Status } from "../../src/gen/google/rpc/status.ts";

/** A client that knows nothing of Gleaner: bytes in, bytes out, as another language's would see it. */
export class RawClient implements Disposable {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure());
  }

  /** Rejects with grpc-js's own error. */
  async call(path: string, request: Uint8Array, options: { deadline?: number } = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        asBuffer,
        asIs,
        request,
        new Metadata(),
        options,
        (error, answer) => {
          if (error === null) resolve(answer!);
          else reject(error);
        },
      );
    });
  }

  /** One request on a bidirectional stream, and the first answer to it. */
  async firstAnswer(path: string, request: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#client.makeBidiStreamRequest(path, asBuffer, asIs);
      stream.on("data", resolve).on("error", reject);
      stream.end(request);
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes);
const asIs = (bytes: Buffer) => bytes;

/** The details of an error, decoded from its trailer. */
export function errorDetails(error: ServiceError) {
  const [trailer] = error.metadata.get("grpc-status-details-bin");
  if (!(trailer instanceof Buffer)) throw new Error(`no details on: ${error.message}`);
  const status = Status.decode(trailer);
  const find = <Message>(name: string, decode: (bytes: Uint8Array) => Message): Message | null => {
    const detail = status.details.find(({ typeUrl }) => typeUrl === `type.googleapis.com/google.rpc.${name}`);
    return detail === undefined ? null : decode(detail.value);
  };
  return {
    status,
    info: find("ErrorInfo", (bytes) => ErrorInfo.decode(bytes)),
    badRequest: find("BadRequest", (bytes) => BadRequest.decode(bytes)),
    retry: find("RetryInfo", (bytes) => RetryInfo.decode(bytes)),
  };
}
