/**
 * What a node is asked to reach: `host:port`, `host:port/udp`, `unix:/path` or `exec:name`. A parsed
 * target has one spelling, so that what is judged is what is dialled, and no two share one: hosts that
 * are named `unix` and `exec` have a dot behind their name.
 */
import { posix } from "node:path";
import {
  type Endpoint,
  formatEndpoint,
  parseEndpoint,
  parseHost,
  SpecError,
  type SpecField,
} from "../socket/endpoint.ts";

/** A host and a TCP port. */
export interface TcpTarget extends Endpoint {
  readonly kind: "tcp";
}

/** A host and a UDP port. */
export interface UdpTarget extends Endpoint {
  readonly kind: "udp";
}

/** A Unix socket of the ingress's host. */
export interface UnixTarget {
  readonly kind: "unix";
  /** Absolute, without empty parts, "." and "..". */
  readonly path: string;
}

/** A command that the ingress offers by a name. */
export interface ExecTarget {
  readonly kind: "exec";
  readonly name: string;
}

/** What is reached by a stream of bytes. */
export type StreamTarget = TcpTarget | UnixTarget | ExecTarget;

/** Anything that is reached. */
export type Target = StreamTarget | UdpTarget;

/** What `sun_path` holds on all systems, with its end, in bytes. */
const maxPathLength = 103;
const unixPrefix = "unix:";
const execPrefix = "exec:";
const udpSuffix = "/udp";
const kindNames: ReadonlySet<string> = new Set(["unix", "exec"]);
/** Of a path: an empty part, "." or "..", or a slash at its end. */
const vainPart = /\/\.{0,2}(?=\/|$)/;
const execName = /^[\w.-]{1,64}$/;

/**
 * Reads the target of a stream, as a channel's label or `--stdio` has it; a path may stand without
 * its `unix:`. Throws {@link SpecError}.
 */
export function parseStreamTarget(text: string): StreamTarget {
  if (text.startsWith("/")) return { kind: "unix", path: parsePath(text, 1) };
  if (text.startsWith(unixPrefix)) {
    const column = unixPrefix.length + 1;
    return { kind: "unix", path: parsePath(text.slice(unixPrefix.length), column) };
  }
  if (text.startsWith(execPrefix)) {
    return { kind: "exec", name: parseExecName(text.slice(execPrefix.length), 6) };
  }
  return { kind: "tcp", ...parseEndpoint(text) };
}

/** Reads any target; one for UDP ends in `/udp`. Throws {@link SpecError}. */
export function parseTarget(text: string): Target {
  const path = text.startsWith(unixPrefix) ? text.slice(unixPrefix.length) : text;
  if (path.startsWith("/")) {
    return { kind: "unix", path: parseTargetPath(path, text.length - path.length + 1) };
  }
  if (!text.endsWith(udpSuffix)) return parseStreamTarget(text);
  return { kind: "udp", ...parseEndpoint(text.slice(0, -udpSuffix.length)) };
}

/** The one spelling of a target, which {@link parseTarget} reads. */
export function formatTarget(target: Target): string {
  switch (target.kind) {
    case "tcp":
      return formatEndpoint(spelled(target));
    case "udp":
      return formatEndpoint(spelled(target)) + udpSuffix;
    case "unix":
      return unixPrefix + target.path;
    case "exec":
      return execPrefix + target.name;
  }
}

/**
 * Reads the host of a target as a user wrote it, who may have meant another kind of target by it.
 * Throws {@link SpecError}.
 */
export function parseTargetHost(field: SpecField): string {
  const host = parseHost(field);
  if (!kindNames.has(host) || field.text.endsWith(".")) return host;
  const meant = host === "unix" ? "a Unix socket is unix:/path" : "a command is reached by --stdio";
  throw new SpecError(field.column, `${meant}, a host named "${host}" is written "${host}."`);
}

/** The host as it stands in a target. */
export function formatTargetHost(host: string): string {
  return kindNames.has(host) ? `${host}.` : host;
}

/**
 * Reads the path of a Unix socket: absolute, short enough, and in its one spelling, so that no rule
 * is passed by another. Throws {@link SpecError}.
 */
export function parsePath(text: string, column: number): string {
  if (!text.startsWith("/")) throw new SpecError(column, "a path of a socket begins with /");
  const isUsable = !text.includes("\0") && new TextEncoder().encode(text).length <= maxPathLength;
  if (!isUsable) throw new SpecError(column, `a socket's path has at most ${maxPathLength} bytes`);
  const vain = vainPart.exec(text);
  if (vain === null) return text;
  const plain = JSON.stringify(posix.resolve(text));
  throw new SpecError(column + vain.index, `a socket's path has one spelling, write ${plain}`);
}

/**
 * Reads the path of a Unix socket where `/udp` at the end of a target asks for datagrams. Throws
 * {@link SpecError}.
 */
export function parseTargetPath(text: string, column: number): string {
  if (!text.endsWith(udpSuffix)) return parsePath(text, column);
  throw new SpecError(column + text.length - udpSuffix.length, "a Unix socket takes no datagrams");
}

/** Reads the name of a command that is offered. Throws {@link SpecError}. */
export function parseExecName(text: string, column: number): string {
  if (execName.test(text)) return text;
  throw new SpecError(
    column,
    `${JSON.stringify(text)} is no name of a command (letters, digits, . - _)`,
  );
}

function spelled({ host, port }: Endpoint): Endpoint {
  return { host: formatTargetHost(host), port };
}
