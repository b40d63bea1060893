/** The flags of `aetherport bench`. */
import { Command, Option } from "commander";
import { BadInput } from "../bad_input.ts";
import { readIngressUrl } from "../signaling/server_url.ts";
import { addFlag, applyEnvironment } from "./environment.ts";
import type { LoggingOptions } from "./logging.ts";
import {
  loggingFlags,
  nodeFlags,
  type NodeOptions,
  type RawLoggingOptions,
  type RawNodeOptions,
  readLogging,
  readNodeOptions,
  requireIdentity,
} from "./node_flags.ts";

/** What is to be measured, and how it is told. */
export interface BenchOptions extends NodeOptions {
  /** The ingress that is called; without one, texts are pasted. */
  readonly ingressUrl: string | undefined;
  /** How long each direction is loaded, in ms. */
  readonly duration: number;
  /** Whether the result is one JSON document. */
  readonly isJson: boolean;
  readonly logging: LoggingOptions;
}

/** In seconds. */
const [defaultDuration, maxDuration] = [5, 60];

const examples = `
The other node has to be started with --allow bench.

Examples:
  # prints an offer: paste it at the other node, and its answer here
  aetherport bench

  # by a signaling server, for scripts
  aetherport bench --json --quiet --aetherlight-ingress-url <the URL that the other node printed> \\
    --key a-key.pem --cert a-cert.pem --cacert cacert.pem`;

/** The command `bench`; `run` is given its options, checked. */
export function benchCommand(run: (options: BenchOptions) => Promise<void>): Command {
  const command = new Command("bench")
    .usage("[flags]")
    .description("Measures how fast the link to another node is, and how long it takes.")
    .addHelpText("after", examples);
  for (const option of benchFlags()) addFlag(command, option);
  // For the help text alone, which names a command with its parents.
  new Command("aetherport").addCommand(command);
  return command.action(async () => {
    applyEnvironment(command, Deno.env.toObject());
    await run(readOptions(command.opts()));
  });
}

function benchFlags(): Option[] {
  return [
    new Option(
      "--duration <seconds>",
      `how long each direction is measured, 1 to ${maxDuration}`,
    ).argParser(parseDuration).default(parseDuration(`${defaultDuration}`), `${defaultDuration}`),
    new Option("--json", "print the result as one line of JSON"),
    new Option("--aetherlight-ingress-url <url>", "call this ingress, instead of pasting texts")
      .argParser(parseUrl),
    ...nodeFlags(),
    ...loggingFlags(),
  ];
}

function parseUrl(url: string): string {
  readIngressUrl(url);
  return url;
}

/** In ms. */
function parseDuration(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,2}$/.test(text) && seconds >= 1 && seconds <= maxDuration) return seconds * 1_000;
  throw new BadInput(
    `--duration ${JSON.stringify(text)} is not a number of seconds, 1 to ${maxDuration}`,
  );
}

interface RawOptions extends RawNodeOptions, RawLoggingOptions {
  duration: number;
  json?: boolean;
  aetherlightIngressUrl?: string;
}

function readOptions(raw: RawOptions): BenchOptions {
  const logging = readLogging(raw);
  const nodeOptions = readNodeOptions(raw);
  const { aetherlightIngressUrl: ingressUrl, duration, json: isJson = false } = raw;
  if (ingressUrl !== undefined) requireIdentity(nodeOptions);
  return { ...nodeOptions, ingressUrl, duration, isJson, logging };
}
