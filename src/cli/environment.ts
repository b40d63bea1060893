/** Environment variables: one for each flag of a command, AETHERPORT_ and its name. */
import { type Command, Option } from "commander";
import { BadInput } from "../bad_input.ts";

/** The variable that stands in for a flag: `--log-format` is AETHERPORT_LOG_FORMAT. */
export function variableOf(option: Option): string {
  return `AETHERPORT_${option.name().replaceAll("-", "_").toUpperCase()}`;
}

/** A flag that may be given several times; its values are parsed one by one into a list. */
export class ListOption extends Option {
  /** Between the values of its variable. */
  readonly separator: string = ",";

  constructor(flags: string, description: string, parse: (text: string) => unknown) {
    super(flags, description);
    this.argParser((text: string, previous: unknown[] | undefined) => [
      ...previous ?? [],
      parse(text),
    ]);
  }
}

/** A flag whose values may hold commas: its variable has one a line. */
export class LineListOption extends ListOption {
  override readonly separator = "\n";
}

/** A flag that goes to the ingress URL before it; in a config file, to that of its `[[peer]]`. */
export class PeerListOption extends ListOption {}

/** Adds an option whose help names its variable. */
export function addFlag(command: Command, option: Option): Command {
  option.description += ` (env ${variableOf(option)})`;
  return command.addOption(option);
}

/**
 * Fills the options that were not given as flags from the environment: comma-separated, or a line
 * each, where a flag is repeatable, true or false where it takes no value. Throws {@link BadInput}.
 */
export function applyEnvironment(command: Command, environment: Record<string, string>): void {
  for (const option of command.options) {
    // What has a letter only is another name of a flag, for those used to it.
    if (option.long === undefined) continue;
    const variable = variableOf(option);
    const text = environment[variable]?.trim() ?? "";
    const attribute = option.attributeName();
    if (text === "" || isGiven(command, [attribute, ...excludedBy(option)])) continue;
    try {
      command.setOptionValueWithSource(attribute, valueOf(option, text), "env");
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new BadInput(`${variable}: ${error.message}`);
    }
  }
}

/**
 * The attributes of the flags that an option excludes: commander keeps what `conflicts` was told in a
 * property that its types leave out.
 */
export function excludedBy(option: Option): string[] {
  return Reflect.get(option, "conflictsWith") as string[];
}

/** A flag wins over its own variable and over those of the flags it excludes. */
function isGiven(command: Command, attributes: readonly string[]): boolean {
  return attributes.some((attribute) => command.getOptionValueSource(attribute) === "cli");
}

function valueOf(option: Option, text: string): unknown {
  if (option.isBoolean()) return booleanOf(text);
  const { parseArg } = option;
  if (parseArg === undefined) return text;
  if (!(option instanceof ListOption)) return parseArg(text, undefined);
  const parts = text.split(option.separator);
  return parts.reduce<unknown>((list, part) => parseArg(part.trim(), list), undefined);
}

function booleanOf(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new BadInput(`${JSON.stringify(text)} is neither true nor false`);
}
