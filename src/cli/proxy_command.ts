/** The flags of `aetherport [proxy]`. */
import { Command, Option } from "commander";
import { type AllowRule, parseAllowRule } from "../access/allow_list.ts";
import { BadInput } from "../bad_input.ts";
import { parseForwardSpec } from "../forward/forward_spec.ts";
import { isKeyId } from "../identity/key_id.ts";
import type { NodeIdentityFiles } from "../identity/node_identity.ts";
import {
  type IceServer,
  parseIceServer,
  publicIceServers,
  readSecret,
  type SecretReader,
} from "../link/ice_server.ts";
import { programVersion } from "./program_version.ts";
import type { RoutedForward } from "../node/node.ts";
import { readBaseUrl, readIngressUrl } from "../signaling/aetherlight_client.ts";
import { addFlag, applyEnvironment, ListOption } from "./environment.ts";
import type { LoggingOptions } from "./logging.ts";

/** What the proxy was asked to do. */
export interface ProxyOptions {
  readonly forwards: readonly RoutedForward[];
  readonly allows: readonly AllowRule[];
  readonly signaling: SignalingOptions;
  /** The node's key, certificate and authorities, where it has them. */
  readonly identityFiles: NodeIdentityFiles | undefined;
  /** Key ids that are admitted whatever their certificates say. */
  readonly allowedPeers: readonly string[];
  /** With their passwords, wherever those are kept. */
  readonly iceServers: readonly IceServer[];
  /** Whether links go through TURN servers alone. */
  readonly isRelayOnly: boolean;
  /** How long what is open outlives the other node's being unreachable, in ms, where it was told. */
  readonly hold: number | undefined;
  readonly exitOnFailure: boolean;
  readonly logging: LoggingOptions;
}

/** How nodes find each other. */
export type SignalingOptions =
  | { readonly type: "tty" }
  | {
    readonly type: "aetherlight";
    readonly baseUrls: readonly string[];
    readonly ingressUrls: readonly string[];
    readonly identityFiles: NodeIdentityFiles;
  };

/** In seconds. */
const maxHold = 86_400;

const makeCertificate = 'run "aetherport cert generate --name <name>" to make them';

const examples = `
Examples:
  # offer the web server on this machine; the other node may reach nothing else
  aetherport --allow 127.0.0.1:80

  # reach it from another machine at http://127.0.0.1:8080
  aetherport --forward 127.0.0.1:8080:127.0.0.1:80

  Each of the two prints a text; paste it into the other. With a signaling server and certificates
  (aetherport signal, aetherport cert generate) nothing is pasted:

  aetherport -w 127.0.0.1:80 --key a-key.pem --cert a-cert.pem --cacert cacert.pem \\
    --aetherlight-base-url https://light.example.org
  aetherport --aetherlight-ingress-url <the URL that it prints> -f 8080:127.0.0.1:80 \\
    --key b-key.pem --cert b-cert.pem --cacert cacert.pem

Commands:
  aetherport cert --help      keys and certificates
  aetherport signal --help    the signaling server`;

/** The proxy command; `run` is given its options, checked. */
export function proxyCommand(run: (options: ProxyOptions) => Promise<void>): Command {
  const command = new Command("aetherport")
    .usage("[proxy] [flags]")
    .version(programVersion, "-V, --version", "print the version")
    .description("Forwards TCP ports between two machines, peer to peer, encrypted.");
  // A forward goes to the ingress URL that stands before it on the command line.
  let route: string | undefined;
  const parseUrl = (url: string) => {
    readIngressUrl(url);
    return route = url;
  };
  const parseForward = (spec: string): RoutedForward => ({ spec: parseForwardSpec(spec), route });
  for (const option of proxyFlags({ parseForward, parseUrl })) addFlag(command, option);
  return command
    .addHelpText("after", examples)
    .action(async () => {
      route = undefined;
      applyEnvironment(command, Deno.env.toObject());
      await run(readOptions(command.opts()));
    });
}

function proxyFlags(
  { parseForward, parseUrl }: {
    parseForward: (spec: string) => RoutedForward;
    parseUrl: (url: string) => string;
  },
): Option[] {
  return [
    new ListOption(
      "-f, --forward <[lhost:]lport:rhost:rport>",
      "listen here, reach a target there; repeatable",
      parseForward,
    ),
    new ListOption(
      "-w, --allow <host:port>",
      "let the other node reach this target, * for any host or port; repeatable",
      parseAllowRule,
    ),
    new Option("-t, --signal-type <type>", "how the nodes find each other (default: tty)")
      .choices(["tty", "aetherlight"]),
    new ListOption(
      "--aetherlight-base-url <url>",
      "wait for nodes at this server; repeatable",
      readBaseUrl,
    ),
    new ListOption(
      "--aetherlight-ingress-url <url>",
      "call this ingress; the forwards after it go there; repeatable",
      parseUrl,
    ),
    new Option("--key <file>", "this node's private key"),
    new Option("--cert <file>", "this node's certificate"),
    new ListOption("--cacert <file>", "authorities whose nodes are trusted; repeatable", String),
    new ListOption(
      "--allow-peer <key id>",
      "trust the owner of this key (cert show prints it); repeatable",
      parseKeyId,
    ),
    new ListOption(
      "--ice-server <url>",
      "stun: or turn: URL (turn:user@host?secret-file=path hides the secret), or none; " +
        "repeatable (default: a public STUN server)",
      (url) => url === "none" ? url : parseIceServer(url),
    ),
    new Option("--relay-only", "link through a TURN server only, and tell no address of this host"),
    new Option(
      "--hold <seconds>",
      "keep connections for so long after the other node became unreachable (default: 60)",
    ).argParser(parseHold),
    new Option("--exit-on-failure", "end with 1 when the link fails, instead of reconnecting"),
    new Option("-v, --verbose", "log more, with stack traces").conflicts("quiet"),
    new Option("-q, --quiet", "log warnings and errors only").conflicts("verbose"),
    new Option("--log-format <format>", "of the log on stderr")
      .choices(["text", "json"]).default("text"),
  ];
}

/** In ms. */
function parseHold(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,6}$/.test(text) && seconds <= maxHold) return seconds * 1_000;
  throw new BadInput(`--hold ${JSON.stringify(text)} is not a number of seconds, 0 to ${maxHold}`);
}

function parseKeyId(text: string): string {
  if (isKeyId(text)) return text;
  throw new BadInput(
    `--allow-peer ${JSON.stringify(text)} is not a key id: "aetherport cert show" prints a node's`,
  );
}

interface RawOptions {
  forward?: RoutedForward[];
  allow?: AllowRule[];
  signalType?: "tty" | "aetherlight";
  aetherlightBaseUrl?: string[];
  aetherlightIngressUrl?: string[];
  key?: string;
  cert?: string;
  cacert?: string[];
  allowPeer?: string[];
  iceServer?: (IceServer | "none")[];
  relayOnly?: boolean;
  hold?: number;
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
  const identityFiles = readIdentityFiles(raw);
  const signaling = readSignaling(raw, identityFiles);
  const iceServers = readIceServers(raw.iceServer ?? []);
  return {
    forwards: forwards.map((forward) => routed(forward, raw.aetherlightIngressUrl ?? [])),
    allows,
    signaling,
    identityFiles,
    allowedPeers: raw.allowPeer ?? [],
    iceServers,
    isRelayOnly: readRelayOnly(raw, iceServers),
    hold: raw.hold,
    exitOnFailure: raw.exitOnFailure ?? false,
    logging: {
      level: raw.verbose ? "verbose" : raw.quiet ? "quiet" : "normal",
      format: raw.logFormat,
    },
  };
}

function readIdentityFiles({ key, cert, cacert = [] }: RawOptions): NodeIdentityFiles | undefined {
  if (key === undefined && cert === undefined) {
    if (cacert.length === 0) return undefined;
    throw new BadInput(`--cacert needs --key and --cert: ${makeCertificate}`);
  }
  if (key === undefined || cert === undefined) {
    const [given, missing] = key === undefined ? ["--cert", "--key"] : ["--key", "--cert"];
    throw new BadInput(`${given} needs ${missing}: ${makeCertificate}`);
  }
  return { keyPath: key, certPath: cert, caPaths: cacert };
}

function readSignaling(
  raw: RawOptions,
  identityFiles: NodeIdentityFiles | undefined,
): SignalingOptions {
  const { aetherlightBaseUrl: baseUrls = [], aetherlightIngressUrl: ingressUrls = [] } = raw;
  const hasUrls = baseUrls.length > 0 || ingressUrls.length > 0;
  if ((raw.signalType ?? (hasUrls ? "aetherlight" : "tty")) === "tty") {
    if (hasUrls) throw new BadInput("--signal-type tty excludes the --aetherlight- flags");
    return { type: "tty" };
  }
  if (!hasUrls) {
    throw new BadInput(
      "--signal-type aetherlight needs --aetherlight-base-url (to wait for nodes) or " +
        "--aetherlight-ingress-url (to call one)",
    );
  }
  if (identityFiles === undefined) {
    throw new BadInput(`aetherlight needs --key and --cert: ${makeCertificate}`);
  }
  const isOpenToNobody = identityFiles.caPaths.length === 0 && (raw.allowPeer ?? []).length === 0;
  if (baseUrls.length > 0 && isOpenToNobody) {
    throw new BadInput("no node could be let in: give --cacert, or --allow-peer with a key id");
  }
  return { type: "aetherlight", baseUrls, ingressUrls, identityFiles };
}

/** A forward before any URL goes to the only one there is. */
function routed(forward: RoutedForward, urls: readonly string[]): RoutedForward {
  if (forward.route !== undefined || urls.length === 0) return forward;
  if (urls.length === 1) return { ...forward, route: urls[0] };
  throw new BadInput(
    "with several --aetherlight-ingress-url, each --forward stands after the one it goes to",
  );
}

function readIceServers(given: readonly (IceServer | "none")[]): readonly IceServer[] {
  if (given.length === 0) return publicIceServers;
  const servers = given.filter((server) => server !== "none");
  if (servers.length < given.length && given.length > 1) {
    throw new BadInput("--ice-server none excludes other servers");
  }
  return servers.map((server) => readSecret(server, secretReader));
}

const secretReader: SecretReader = {
  readFile: (path) => Deno.readTextFileSync(path),
  readVariable: (name) => Deno.env.get(name),
};

function readRelayOnly({ relayOnly = false }: RawOptions, servers: readonly IceServer[]): boolean {
  if (relayOnly && servers.every(({ scheme }) => scheme === "stun")) {
    throw new BadInput(
      "--relay-only needs a TURN server: --ice-server turn:user:secret@turn.example.org",
    );
  }
  return relayOnly;
}
