/**
 * The command line: finds the command, runs it, turns what it throws into a line on stderr and an
 * exit code. Commands are loaded when they are run, so that `--version` answers at once.
 */
import type { Command } from "commander";
import { BadInput } from "../bad_input.ts";
import { ConfigError } from "../config/config_error.ts";
import { messageOf } from "../message_of.ts";
import { LoggedFailure } from "./logged_failure.ts";
import { programVersion } from "./program_version.ts";
import { ReaderGone } from "./reader_gone.ts";

const exitCodes = { ok: 0, failed: 1, badInput: 2 } as const;

/** The commands; what is no command's name is a flag of the first. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  proxy: loadProxy,
  bench: loadBench,
  cert: async () => (await import("./cert_command.ts")).certCommand(),
  config: async () => (await import("./config_command.ts")).configCommand(),
  forward: async () => (await import("./forward_command.ts")).forwardCommand(),
  policy: async () => (await import("./policy_command.ts")).policyCommand(),
  signal: async () => (await import("./signal_command.ts")).signalCommand(),
  status: async () => (await import("./status_command.ts")).statusCommand(),
  completions: loadCompletions,
};

async function loadProxy(): Promise<Command> {
  const { proxyCommand } = await import("./proxy_command.ts");
  return proxyCommand(async (options, config) => {
    const { runProxy } = await import("./run_proxy.ts");
    await runProxy(options, config);
  });
}

async function loadBench(): Promise<Command> {
  const { benchCommand } = await import("./bench_command.ts");
  return benchCommand(async (options) => {
    const { runBench } = await import("./run_bench.ts");
    await runBench(options);
  });
}

async function loadCompletions(): Promise<Command> {
  const { completionsCommand } = await import("./completions_command.ts");
  return completionsCommand({ loadCommands, print: console.log });
}

async function loadCommands(): Promise<Map<string, Command>> {
  const loading = Object.entries(commands).map(async ([name, load]) =>
    [name, await load()] as const
  );
  return new Map(await Promise.all(loading));
}

/** Runs the program with its arguments; the exit code. Never throws. */
export async function run(args: readonly string[]): Promise<number> {
  const [first = ""] = args;
  if (first === "--version" || first === "-V") {
    console.log(programVersion);
    return exitCodes.ok;
  }
  try {
    await runCommand(args);
    return exitCodes.ok;
  } catch (error) {
    // What was logged already, in the log's own format, is not said again.
    if (error instanceof LoggedFailure) return exitCodes.failed;
    if (error instanceof ReaderGone) return exitCodes.ok;
    return report(error, { isVerbose: args.includes("--verbose") || args.includes("-v") });
  }
}

async function runCommand(args: readonly string[]): Promise<void> {
  const [first = "", ...rest] = args;
  if (first === "help") return await runCommand([...rest, "--help"]);
  const load = Object.hasOwn(commands, first) ? commands[first] : undefined;
  if (load === undefined && first !== "" && !first.startsWith("-")) {
    const names = Object.keys(commands);
    const { suggestCommand } = await import("./unknown_command.ts");
    throw new BadInput(
      `${JSON.stringify(first)} is no command (there are ${names.join(", ")})` +
        suggestCommand(first, names),
    );
  }
  const command = await (load ?? loadProxy)();
  quieten(command);
  if (load !== undefined) return void await command.parseAsync(rest, { from: "user" });
  try {
    await command.parseAsync(args, { from: "user" });
  } catch (error) {
    throw misplacedCommand(error, command.args) ?? error;
  }
}

/** Flags stand behind the command that they are of; what else is wrong with the words is said as ever. */
function misplacedCommand(error: unknown, [word = ""]: readonly string[]): BadInput | undefined {
  const { code = "" } = error as { code?: string };
  const isMisread = ["commander.excessArguments", "commander.unknownOption"].includes(code);
  if (!isMisread || !Object.hasOwn(commands, word)) return undefined;
  return new BadInput(`a command comes before its flags: aetherport ${word} [flags]`);
}

/** Commander is to throw where it would print an error and exit. */
function quieten(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => {} });
  command.commands.forEach(quieten);
}

function report(error: unknown, { isVerbose }: { isVerbose: boolean }): number {
  const { code, exitCode } = error as { code?: string; exitCode?: number };
  const isUsage = code?.startsWith("commander.") ?? false;
  if (isUsage && exitCode === 0) return exitCodes.ok;
  const lines = error instanceof ConfigError ? error.lines : [lineOf(error)];
  for (const line of lines) console.error(`aetherport: ${line}`);
  if (isUsage || error instanceof BadInput) return exitCodes.badInput;
  if (isVerbose && error instanceof Error) console.error(error.stack);
  return exitCodes.failed;
}

function lineOf(error: unknown): string {
  return messageOf(error).replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
}
