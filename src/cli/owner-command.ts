import { Command, type Option } from "commander";
import { targetToProto } from "../api/convert/target.ts";
import type { Target } from "../gen/gleaner/v1/owners.ts";
import type { Cli } from "./cli.ts";
import { addressOption, addTargetOptions, jsonOption, targetOf, type TargetOptions } from "./options.ts";

/** What every owner's word takes: of which devices it speaks, whom to tell, how to print the answer. */
export interface OwnerOptions extends TargetOptions {
  readonly address: string;
  readonly json?: boolean;
}

/** `targets` completes "… these devices" and "… the whole fleet"; `options` are the command's own. */
export function ownerCommand(
  cli: Cli,
  name: string,
  about: {
    readonly description: string;
    readonly targets: string;
    readonly options?: readonly Option[];
    readonly examples: readonly string[];
  },
): Command {
  const command = addTargetOptions(new Command(name).description(about.description), about.targets);
  for (const option of [...(about.options ?? []), addressOption(cli), jsonOption()])
    command.addOption(option);
  return command.addHelpText(
    "after",
    `\nExamples:\n${about.examples.map((line) => `  $ gleaner ${line}\n`).join("")}`,
  );
}

/** Throws COMMAND_INVALID unless exactly one target is named. */
export function targetMessage(options: OwnerOptions, command: string): Target {
  return targetToProto(targetOf(options, command));
}
