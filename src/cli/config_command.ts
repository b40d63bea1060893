/** `aetherport config`: checks a config file, and shows one. */
import { Command } from "commander";
import { BadInput } from "../bad_input.ts";
import { ConfigError } from "../config/config_error.ts";
import { defaultConfigPaths, findConfigFile } from "../config/config_file.ts";
import { configExample } from "./config_example.ts";
import { proxyCommand } from "./proxy_command.ts";

const examples = `
Examples:
  # a file to begin with
  aetherport config example > ~/.config/aetherport/config.toml

  # whether the proxy would take it, with the variables that are set
  aetherport config check ~/.config/aetherport/config.toml`;

/** The command `config` with its sub-commands. */
export function configCommand(): Command {
  const command = new Command("config")
    .usage("<check|example>")
    .description("Checks the config file, and prints an example of one.")
    .addHelpText("after", examples)
    .addCommand(checkCommand())
    .addCommand(exampleCommand())
    .allowExcessArguments()
    .action((_flags: unknown, command: Command) => {
      const [word] = command.args;
      const found = word === undefined
        ? "no sub-command was given"
        : `there is no "config ${word}"`;
      throw new BadInput(`${found}: use config check or example`);
    });
  // For the help texts alone, which name a command with its parents.
  new Command("aetherport").addCommand(command);
  return command;
}

function checkCommand(): Command {
  return new Command("check")
    .description("Ends with 0 where the proxy would take the file, else with 2 and all problems.")
    .argument("[file]", "the file; where the proxy would look for it by default")
    .action(async (file: string | undefined) => await check(file ?? await defaultFile()));
}

function exampleCommand(): Command {
  return new Command("example")
    .description("Prints a config file with comments.")
    .action(() => console.log(configExample.trimEnd()));
}

/** Reads the file as the proxy does, and the files that it names. Throws {@link BadInput}. */
async function check(path: string): Promise<void> {
  const proxy = proxyCommand(async (options, config) => {
    const { fileProblems } = await import("./file_problems.ts");
    const problems = await fileProblems(options);
    if (problems.length > 0) {
      throw new ConfigError(
        path,
        problems.map(({ message, place }) => ({
          ...config?.first.placeOf(place),
          problem: message,
        })),
      );
    }
    for (const warning of config?.first.warnings ?? []) console.error(`warning: ${warning}`);
    console.error(`${path}: no problems`);
  });
  await proxy.parseAsync(["--config", path], { from: "user" });
}

async function defaultFile(): Promise<string> {
  const paths = defaultConfigPaths(Deno.env.toObject());
  const path = await findConfigFile(paths);
  if (path !== undefined) return path;
  throw new BadInput(
    `there is no config file that you may read: looked for ${paths.join(" and ")}`,
  );
}
