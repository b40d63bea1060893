/** The flags of `aetherport [proxy]`. */
import { Command, Option } from "commander";
import { type AllowRule, parseAllowRule } from "../access/allow_list.ts";
import { BadInput } from "../bad_input.ts";
import { type ForwardSpec, parseForwardSpec } from "../forward/forward_spec.ts";
import { type IceServer, parseIceServer, publicIceServers } from "../link/ice_server.ts";
import { programVersion } from "./program_version.ts";
import { addFlag, applyEnvironment, ListOption } from "./environment.ts";
import type { LoggingOptions } from "./logging.ts";

/** What the proxy was asked to do. */
export interface ProxyOptions {
  readonly forwards: readonly ForwardSpec[];
  readonly allows: readonly AllowRule[];
  readonly signalType: "tty" | "aetherlight";
  readonly iceServers: readonly IceServer[];
  readonly exitOnFailure: boolean;
  readonly logging: LoggingOptions;
}

const examples = `
Examples:
  # offer the web server on this machine; the other node may reach nothing else
  aetherport --allow 127.0.0.1:80

  # reach it from another machine at http://127.0.0.1:8080
  aetherport --forward 127.0.0.1:8080:127.0.0.1:80

  Each of the two prints a text; paste it into the other.`;

/** The proxy command; `run` is given its options, checked. */
export function proxyCommand(run: (options: ProxyOptions) => Promise<void>): Command {
  const command = new Command("aetherport")
    .usage("[proxy] [flags]")
    .version(programVersion, "-V, --version", "print the version")
    .description("Forwards TCP ports between two machines, peer to peer, encrypted.");
  for (const option of proxyFlags()) addFlag(command, option);
  return command
    .addHelpText("after", examples)
    .action(async () => {
      applyEnvironment(command, Deno.env.toObject());
      await run(readOptions(command.opts()));
    });
}

function proxyFlags(): Option[] {
  return [
    new ListOption(
      "-f, --forward <[lhost:]lport:rhost:rport>",
      "listen here, reach a target there; repeatable",
      parseForwardSpec,
    ),
    new ListOption(
      "-w, --allow <host:port>",
      "let the other node reach this target, * for any host or port; repeatable",
      parseAllowRule,
    ),
    new Option("-t, --signal-type <type>", "how the nodes find each other")
      .choices(["tty", "aetherlight"]).default("tty"),
    new ListOption(
      "--ice-server <url>",
      "stun: or turn: URL, or none; repeatable (default: a public STUN server)",
      (url) => url === "none" ? url : parseIceServer(url),
    ),
    new Option("--exit-on-failure", "end with 1 when the link fails, instead of reconnecting"),
    new Option("-v, --verbose", "log more, with stack traces").conflicts("quiet"),
    new Option("-q, --quiet", "log warnings and errors only").conflicts("verbose"),
    new Option("--log-format <format>", "of the log on stderr")
      .choices(["text", "json"]).default("text"),
  ];
}

interface RawOptions {
  forward?: ForwardSpec[];
  allow?: AllowRule[];
  signalType: "tty" | "aetherlight";
  iceServer?: (IceServer | "none")[];
  exitOnFailure?: boolean;
  verbose?: boolean;
  quiet?: boolean;
  logFormat: "text" | "json";
}

function readOptions(raw: RawOptions): ProxyOptions {
  const { forward: forwards = [], allow: allows = [] } = raw;
  if (forwards.length === 0 && allows.length === 0) {
    throw new BadInput("nothing to do: give --forward or --allow (aetherport --help has examples)");
  }
  if (raw.verbose && raw.quiet) throw new BadInput("--verbose and --quiet exclude each other");
  return {
    forwards,
    allows,
    signalType: raw.signalType,
    iceServers: readIceServers(raw.iceServer ?? []),
    exitOnFailure: raw.exitOnFailure ?? false,
    logging: {
      level: raw.verbose ? "verbose" : raw.quiet ? "quiet" : "normal",
      format: raw.logFormat,
    },
  };
}

function readIceServers(given: readonly (IceServer | "none")[]): readonly IceServer[] {
  if (given.length === 0) return publicIceServers;
  const servers = given.filter((server) => server !== "none");
  if (servers.length < given.length && given.length > 1) {
    throw new BadInput("--ice-server none excludes other servers");
  }
  return servers;
}
