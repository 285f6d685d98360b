import { readFileSync } from "node:fs";
import type { Server } from "nice-grpc";
import { ServerReflection, ServerReflectionService } from "nice-grpc-server-reflection";

const protoset = new URL("../gen/gleaner.protoset", import.meta.url);

/** Version 1, and v1alpha for older tools: the two differ in nothing but the name. */
export function addReflection(server: Server, services: readonly string[]): void {
  const reflection = ServerReflection(readFileSync(protoset), [...services]);
  const { serverReflectionInfo } = ServerReflectionService;
  const alphaPath = serverReflectionInfo.path.replace(".v1.", ".v1alpha.");
  server.add(ServerReflectionService, reflection);
  server.add({ serverReflectionInfo: { ...serverReflectionInfo, path: alphaPath } }, reflection);
}
