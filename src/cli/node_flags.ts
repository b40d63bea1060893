/** The flags of every command that makes links: who this node is, whom it trusts, how it logs. */
import { Option } from "commander";
import { BadInput } from "../bad_input.ts";
import { isKeyId } from "../identity/key_id.ts";
import type { NodeIdentityFiles } from "../identity/node_identity.ts";
import {
  type IceServer,
  parseIceServer,
  publicIceServers,
  readSecret,
  type SecretReader,
} from "../link/ice_server.ts";
import { ListOption } from "./environment.ts";
import { readEach } from "./flag_problem.ts";
import type { LoggingOptions } from "./logging.ts";

/** How a node makes links. */
export interface NodeOptions {
  /** The node's key, certificate and authorities, where it has them. */
  readonly identityFiles: NodeIdentityFiles | undefined;
  /** Key ids that are admitted whatever their certificates say. */
  readonly allowedPeers: readonly string[];
  /** With their passwords, wherever those are kept. */
  readonly iceServers: readonly IceServer[];
  /** The variables that their passwords were read from. */
  readonly secretVariables: readonly string[];
  /** Whether links go through TURN servers alone. */
  readonly isRelayOnly: boolean;
}

/** What commander makes of {@link nodeFlags}. */
export interface RawNodeOptions {
  readonly key?: string;
  readonly cert?: string;
  readonly cacert?: string[];
  readonly allowPeer?: string[];
  readonly iceServer?: (IceServer | "none")[];
  readonly relayOnly?: boolean;
}

/** What commander makes of {@link loggingFlags}. */
export interface RawLoggingOptions {
  readonly verbose?: boolean;
  readonly quiet?: boolean;
  readonly logFormat: "text" | "json";
}

const makeCertificate = 'run "aetherport cert generate --name <name>" to make them';

/** New ones for each command: it adds their variables to them. */
export function nodeFlags(): Option[] {
  return [
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
  ];
}

/** New ones for each command: it adds their variables to them. */
export function loggingFlags(): Option[] {
  return [
    new Option("-v, --verbose", "log more, with stack traces").conflicts("quiet"),
    new Option("-q, --quiet", "log warnings and errors only").conflicts("verbose"),
    new Option("--log-format <format>", "of the log on stderr")
      .choices(["text", "json"]).default("text"),
  ];
}

/** Reads what the flags say together. Throws {@link BadInput}. */
export function readNodeOptions(raw: RawNodeOptions): NodeOptions {
  const iceServers = readIceServers(raw.iceServer ?? []);
  return {
    identityFiles: readIdentityFiles(raw),
    allowedPeers: raw.allowPeer ?? [],
    iceServers,
    secretVariables: (raw.iceServer ?? []).flatMap(secretVariableOf),
    isRelayOnly: readRelayOnly(raw, iceServers),
  };
}

/** Reads what the flags say together. Throws {@link BadInput}. */
export function readLogging({ verbose, quiet, logFormat }: RawLoggingOptions): LoggingOptions {
  if (verbose && quiet) throw new BadInput("--verbose and --quiet exclude each other");
  return { level: verbose ? "verbose" : quiet ? "quiet" : "normal", format: logFormat };
}

/** For a signaling server a node needs an identity. Throws {@link BadInput} where it has none. */
export function requireIdentity({ identityFiles }: NodeOptions): NodeIdentityFiles {
  if (identityFiles !== undefined) return identityFiles;
  throw new BadInput(`aetherlight needs --key and --cert: ${makeCertificate}`);
}

function parseKeyId(text: string): string {
  if (isKeyId(text)) return text;
  throw new BadInput(
    `--allow-peer ${JSON.stringify(text)} is not a key id: "aetherport cert show" prints a node's`,
  );
}

function readIdentityFiles(
  { key, cert, cacert = [] }: RawNodeOptions,
): NodeIdentityFiles | undefined {
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

function readIceServers(given: readonly (IceServer | "none")[]): readonly IceServer[] {
  if (given.length === 0) return publicIceServers;
  const servers = given.filter((server) => server !== "none");
  if (servers.length < given.length && given.length > 1) {
    throw new BadInput("--ice-server none excludes other servers");
  }
  return readEach("ice-server", servers, (server) => readSecret(server, secretReader));
}

function secretVariableOf(given: IceServer | "none"): string[] {
  const secret = given === "none" ? undefined : given.secret;
  return secret?.type === "environment" ? [secret.name] : [];
}

const secretReader: SecretReader = {
  readFile: (path) => Deno.readTextFileSync(path),
  readVariable: (name) => Deno.env.get(name),
};

function readRelayOnly(
  { relayOnly = false }: RawNodeOptions,
  servers: readonly IceServer[],
): boolean {
  if (relayOnly && servers.every(({ scheme }) => scheme === "stun")) {
    throw new BadInput(
      "--relay-only needs a TURN server: --ice-server turn:user:secret@turn.example.org",
    );
  }
  return relayOnly;
}
