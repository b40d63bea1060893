/** What a word that is no command may have been meant to be. */
import { Command, CommanderError } from "commander";
import { BadInput } from "../bad_input.ts";

/** Has a command without a sub-command, or with none that there is, say which there are. */
export function requireSubCommand(command: Command): Command {
  return command.allowExcessArguments().allowUnknownOption().action(() => {
    const [word = "-"] = command.args;
    const names = command.commands.map((each) => each.name());
    const found = word.startsWith("-")
      ? "no sub-command was given"
      : `there is no "${command.name()} ${word}"`;
    const list = `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
    throw new BadInput(`${found}: use ${command.name()} ${list}${suggestCommand(word, names)}`);
  });
}

/** ` (Did you mean bench?)`, or nothing where no name is near. */
export function suggestCommand(word: string, names: readonly string[]): string {
  // Commander measures how far apart words are, and tells it in this error alone.
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  for (const name of names) program.command(name);
  try {
    program.parse([word], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const [suggestion] = /\(Did you mean .*\)/.exec(error.message) ?? [];
    if (suggestion !== undefined) return ` ${suggestion}`;
  }
  return "";
}
