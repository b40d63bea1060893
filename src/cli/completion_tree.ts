/** What can be written where on the command line, read from the commands themselves. */
import type { Argument, Command, Option } from "commander";
import { ListOption } from "./environment.ts";

/** What may follow a flag, or stand by itself. */
export type CompletionValue =
  | { readonly type: "choices"; readonly choices: readonly string[] }
  | { readonly type: "file" }
  /** Nothing that a shell could know. */
  | { readonly type: "other" };

/** One flag. */
export interface CompletionFlag {
  /** `-f` and `--forward`, whichever there are. */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined for a switch. */
  readonly value: CompletionValue | undefined;
  readonly isRepeatable: boolean;
}

/** A command's name. */
export interface CompletionName {
  readonly name: string;
  readonly description: string;
}

/** One place: what may follow some commands' names. */
export interface CompletionPlace {
  /** Those names, with a blank between two: empty, `bench` or `cert show`. */
  readonly path: string;
  /** Only as the very next word. */
  readonly commands: readonly CompletionName[];
  readonly flags: readonly CompletionFlag[];
  /** What stands there without a flag. */
  readonly operand: CompletionValue;
}

/**
 * All places of a program whose first command may be left out, the empty path first. `commands` has
 * each command by its name.
 */
export function completionPlaces(commands: ReadonlyMap<string, Command>): CompletionPlace[] {
  const [first] = commands.values();
  const names = [...commands].map(([name, command]) => describeName(name, command));
  const help: CompletionPlace = {
    path: "help",
    commands: [],
    flags: [],
    operand: { type: "choices", choices: [...commands.keys()] },
  };
  return [
    ...first === undefined ? [] : [{
      ...placeOf("", first),
      commands: [...names, { name: "help", description: "Help of a command." }],
    }],
    ...[...commands].flatMap(([name, command]) => placesOf(name, command)),
    help,
  ];
}

/** The names by which one place leads to another, as paths. */
export function pathsBelow({ path, commands }: CompletionPlace): string[] {
  return commands.map(({ name }) => `${path} ${name}`.trimStart());
}

function placesOf(path: string, command: Command): CompletionPlace[] {
  return [
    placeOf(path, command),
    ...command.commands.flatMap((each) => placesOf(`${path} ${each.name()}`, each)),
  ];
}

function placeOf(path: string, command: Command): CompletionPlace {
  return {
    path,
    commands: command.commands.map((each) => describeName(each.name(), each)),
    flags: command.createHelp().visibleOptions(command).map(flagOf),
    operand: operandOf(command.registeredArguments[0]),
  };
}

function describeName(name: string, command: Command): CompletionName {
  return { name, description: oneLine(command.description()) };
}

function flagOf(option: Option): CompletionFlag {
  const names = [option.short, option.long].filter((name) => name !== undefined);
  const hasValue = option.required || option.optional;
  return {
    names,
    // The variable is told by the help.
    description: oneLine(option.description.replace(/ \(env \w+\)$/, "")),
    value: hasValue ? valueOf(option.flags, option.argChoices) : undefined,
    isRepeatable: option instanceof ListOption || option.variadic,
  };
}

function operandOf(argument: Argument | undefined): CompletionValue {
  if (argument === undefined) return { type: "other" };
  return valueOf(`<${argument.name()}>`, argument.argChoices);
}

/** `<file>` and `<path>` stand for files, alone or beside other things that are accepted. */
function valueOf(placeholder: string, choices: readonly string[] | undefined): CompletionValue {
  if (choices !== undefined) return { type: "choices", choices };
  return { type: /<.*\b(file|path|folder|directory|dir)\b/.test(placeholder) ? "file" : "other" };
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
