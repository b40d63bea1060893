/** What a word that is no command may have been meant to be. */
import { Command, CommanderError } from "commander";

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
