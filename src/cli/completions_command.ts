/** `aetherport completions`: prints what makes a shell complete this program's command lines. */
import { Argument, Command } from "commander";
import { bashCompletion } from "./bash_completion.ts";
import { type CompletionPlace, completionPlaces } from "./completion_tree.ts";
import { fishCompletion } from "./fish_completion.ts";
import { zshCompletion } from "./zsh_completion.ts";

const shells: Readonly<Record<string, (places: readonly CompletionPlace[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

const examples = `
Examples:
  # bash, with the package bash-completion
  aetherport completions bash > ~/.local/share/bash-completion/completions/aetherport

  # zsh, with a folder of $fpath
  aetherport completions zsh > ~/.zfunc/_aetherport

  # fish
  aetherport completions fish > ~/.config/fish/completions/aetherport.fish`;

/** The command `completions`; all commands, by their names, are loaded when it is run. */
export function completionsCommand(
  { loadCommands, print }: {
    readonly loadCommands: () => Promise<ReadonlyMap<string, Command>>;
    readonly print: (text: string) => void;
  },
): Command {
  const command = new Command("completions")
    .description("Prints a script that completes commands, flags and their values in a shell.")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(shells)))
    .addHelpText("after", examples)
    .action(async (shell: string) => {
      const script = shells[shell]?.(completionPlaces(await loadCommands())) ?? "";
      print(script.trimEnd());
    });
  // For the help text alone, which names a command with its parents.
  new Command("aetherport").addCommand(command);
  return command;
}
