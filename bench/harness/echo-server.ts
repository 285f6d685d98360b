import { Server, ServerCredentials } from "@grpc/grpc-js";
import { GuestServiceDefinition, SubmitResponse } from "../../src/gen/gleaner/v1/guests.ts";
import { submissionOf } from "./guests.ts";

/**
 * grpc-js with nothing behind it: Submit is answered with the same bytes every time, unread. What Submit can reach at most
 * on this machine. Resolves to HOST:PORT.
 */
export async function startEchoServer(): Promise<string> {
  const { spec } = submissionOf(0);
  const answer = Buffer.from(
    SubmitResponse.encode(SubmitResponse.create({ guest: { spec: spec! } })).finish(),
  );
  const asItIs = (bytes: Buffer) => bytes;
  const { fullName, methods } = GuestServiceDefinition;
  const server = new Server();
  server.addService(
    {
      submit: {
        path: `/${fullName}/${methods.submit.name}`,
        requestStream: false,
        responseStream: false,
        requestSerialize: asItIs,
        requestDeserialize: asItIs,
        responseSerialize: asItIs,
        responseDeserialize: asItIs,
      },
    },
    { submit: (_call: unknown, answered: (error: null, bytes: Buffer) => void) => answered(null, answer) },
  );
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
    error === null ? resolve(port) : reject(error),
  );
  return `127.0.0.1:${await promise}`;
}
