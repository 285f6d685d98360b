import { catalogue } from "../../src/errors/catalogue.ts";
import type { BadInput } from "./bad-inputs.ts";

/** docs/errors.md: the catalogue, and what bad inputs were answered with. */
export function errorsDoc(sent: readonly (BadInput & { readonly answer: string })[]): string {
  const codes = Object.entries(catalogue).map(
    ([code, { status, message, remedy }]) =>
      `| \`${code}\` | ${status} | ${cell(message)} | ${cell(remedy)} |`,
  );
  const answers = sent.map(
    ({ surface, name, answer }, index) =>
      `| ${index + 1} | ${cell(surface)} | ${cell(name)} | ${cell(answer)} |`,
  );
  return `# Errors

Every error has a code, says what is wrong and what to do. This file is written by a test
(\`test/integration/errors-doc.test.ts\`, with \`-u\`) and fails it when it is no longer true.

Over gRPC the code comes with the status below: in the status message as \`CODE: what is wrong. What to do.\`, and for
machines in the trailer \`grpc-status-details-bin\` as \`google.rpc.ErrorInfo\` (\`reason\` the code, \`domain\` "gleaner",
\`metadata\` the values of the message and the \`remedy\`), \`google.rpc.BadRequest\` (the field at fault, as its path in the
proto) and \`google.rpc.RetryInfo\` (with UNAVAILABLE). A member of a batch that is refused gets the same as a \`Refusal\`.
The command line prints the same to stderr, with \`--json\` as one object.

## The catalogue

| code | gRPC status | what is wrong | what to do |
|---|---|---|---|
${codes.join("\n")}

## Bad inputs and what they were answered with

Each was sent to the real thing. \`REQUEST_TOO_LARGE\`, \`CALL_TIMED_OUT\`, \`CONTROLLER_UNREACHABLE\` and \`UNEXPECTED_ANSWER\` are
what Gleaner's own clients make of a bare status of the transport.

| # | where | what was sent | what came back |
|---|---|---|---|
${answers.join("\n")}
`;
}

/** Text as it is, in one cell of a table. */
function cell(text: string): string {
  return text
    .replaceAll("|", String.raw`\|`)
    .replaceAll("<", "&lt;")
    .replaceAll("*", String.raw`\*`);
}
