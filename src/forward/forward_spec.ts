/** What one `--forward` says: where to listen, and which targets the other node is asked for. */
import {
  formatTarget,
  parsePath,
  parseTargetHost,
  parseTargetPath,
  type Target,
} from "../access/target.ts";
import { BadInput } from "../bad_input.ts";
import {
  formatEndpoint,
  parseHost,
  parsePort,
  parsePortRange,
  SpecError,
  type SpecField,
  splitSpec,
} from "../socket/endpoint.ts";

/** Where connections or datagrams come in. */
export type ListenAddress =
  | {
    readonly kind: "tcp" | "udp";
    /** "localhost" (127.0.0.1 and ::1) where none was given. */
    readonly host: string;
    /** 0 picks a free one. */
    readonly port: number;
  }
  | { readonly kind: "unix"; readonly path: string };

/** One forward. */
export interface ForwardSpec {
  readonly listen: ListenAddress;
  /** As the ingress will judge and dial it. */
  readonly target: Target;
}

const udpSuffix = "/udp";
const usage = "expected [lhost:]lport:rhost:rport, with a path in the place of either side";

/**
 * Reads one `--forward` value, `[lhost:]lport:rhost:rport[/udp]`: a path stands for a Unix socket in
 * the place of either side (as a target also `unix:/path`), and ports may be ranges of one length, which make a forward each. Throws
 * {@link BadInput} with the column and an example. `--reverse` has the same shapes.
 */
export function parseForwardSpecs(
  spec: string,
  flag: "--forward" | "--reverse" = "--forward",
): ForwardSpec[] {
  try {
    return readSpecs(spec);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(
      `${flag} ${JSON.stringify(spec)}, column ${error.column}: ${error.message}. ` +
        `Example: ${flag} 8080:10.0.0.5:80`,
    );
  }
}

/** Writes where it is listened, as a user would; a Unix socket by its path. */
export function formatListenAddress(listen: ListenAddress): string {
  return listen.kind === "unix" ? listen.path : formatEndpoint(listen);
}

/** Writes a spec, such that {@link parseForwardSpecs} reads it. */
export function formatForwardSpec({ listen, target }: ForwardSpec): string {
  const formatted = formatTarget(target).replace(/^unix:/, "");
  return `${formatListenAddress(listen)}:${formatted}`;
}

function readSpecs(spec: string): ForwardSpec[] {
  const isUdp = spec.endsWith(udpSuffix) && /:\d{1,5}(-\d{1,5})?\/udp$/.test(spec);
  const kind = isUdp ? "udp" : "tcp";
  const fields = splitSpec(isUdp ? spec.slice(0, -udpSuffix.length) : spec);
  const last = fields.at(-1);
  const [listenCount, targetCount] = [
    fields[0]?.text.startsWith("/") ? 1 : undefined,
    last?.text.startsWith("/") && fields.at(-2)?.text !== "unix" ? 1 : 2,
  ];
  const listenFields = fields.slice(0, Math.max(0, fields.length - targetCount));
  const targetFields = fields.slice(listenFields.length);
  if (last !== undefined && fields.length > 1 && isUdp && listenCount === 1) {
    throw new SpecError(1, "a Unix socket takes no datagrams");
  }
  const isCounted = listenCount === 1
    ? listenFields.length === 1
    : listenFields.length === 1 || listenFields.length === 2;
  if (!isCounted || targetFields.length !== targetCount) {
    throw new SpecError(columnOfMiscount(fields, spec), usage);
  }
  const listens = readListen(listenFields, kind);
  const targets = readTarget(targetFields, kind);
  return pairUp(listens, targets, targetFields.at(-1)?.column ?? 1);
}

function readListen(fields: readonly SpecField[], kind: "tcp" | "udp"): ListenAddress[] {
  const [first, second] = fields;
  if (first?.text.startsWith("/")) {
    return [{ kind: "unix", path: parsePath(first.text, first.column) }];
  }
  const [host, port] = second === undefined
    ? [{ text: "localhost", column: 1 }, first]
    : [first, second];
  if (host === undefined || port === undefined) throw new SpecError(1, usage);
  const listenHost = parseHost(host);
  return readPorts(port, 0).map((number) => ({ kind, host: listenHost, port: number }));
}

function readTarget(fields: readonly SpecField[], kind: "tcp" | "udp"): Target[] {
  const [host, port] = fields;
  const path = fields.at(-1);
  if (path?.text.startsWith("/")) {
    return [{ kind: "unix", path: parseTargetPath(path.text, path.column) }];
  }
  if (host === undefined || port === undefined) throw new SpecError(1, usage);
  const targetHost = parseTargetHost(host);
  return readPorts(port, 1).map((number) => ({ kind, host: targetHost, port: number }));
}

/** One port, or all of a range. */
function readPorts(field: SpecField, min: 0 | 1): number[] {
  const range = parsePortRange(field);
  if (range === undefined) return [parsePort(field, { min })];
  return Array.from({ length: range.last - range.first + 1 }, (_, at) => range.first + at);
}

function pairUp(
  listens: readonly ListenAddress[],
  targets: readonly Target[],
  column: number,
): ForwardSpec[] {
  if (listens.length !== targets.length) {
    throw new SpecError(
      column,
      `${targets.length} ports there are not as many as the ${listens.length} here`,
    );
  }
  return listens.flatMap((listen, at) => {
    const target = targets[at];
    return target === undefined ? [] : [{ listen, target }];
  });
}

/** A fifth part begins where it should not be; a missing one is missed at the end. */
function columnOfMiscount(fields: readonly SpecField[], spec: string): number {
  return fields[4]?.column ?? spec.length + 1;
}
