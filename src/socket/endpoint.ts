/**
 * Where a service is: a host and a port, as users write them (`10.0.0.5:80`, `[::1]:80`,
 * `nas.local:80`). A parsed endpoint holds one canonical spelling of each address, so that two
 * spellings of one address compare equal and nothing else does.
 */
import { domainToASCII } from "node:url";

/** A host and a TCP or UDP port. */
export interface Endpoint {
  /** A lower-case ASCII name without trailing dot, or an address in its canonical spelling. */
  readonly host: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** Ports from one to another, both of which are in it. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Four numbers to 255 without leading zeros: the one spelling that all systems read alike. */
const ipv4Pattern = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** One of the parts between the colons of a spec, with the column (from 1) where it begins. */
export interface SpecField {
  readonly text: string;
  readonly column: number;
}

/** What is wrong with a spec, and at which column (from 1). Callers add the flag and an example. */
export class SpecError extends Error {
  override readonly name = "SpecError";

  constructor(readonly column: number, problem: string) {
    super(problem);
  }
}

const rangePattern = /^(\d{1,5})-(\d{1,5})$/;
/** RFC 1035, section 2.3.4. */
const maxNameLength = 253;
const nameLabel = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const thisHostNames = new Set(["localhost", "127.0.0.1", "::1", "0.0.0.0", "::"]);

/** Splits a spec at its colons, but not at those within brackets. Throws {@link SpecError}. */
export function splitSpec(spec: string): SpecField[] {
  const fields: SpecField[] = [];
  let start = 0;
  let isBracketed = false;
  for (let at = 0; at <= spec.length; at++) {
    const character = spec[at];
    if (character === "[") {
      if (at !== start) throw new SpecError(at + 1, 'a "[" may only begin an address');
      isBracketed = true;
    } else if (character === "]") {
      if (!isBracketed) throw new SpecError(at + 1, 'a "]" without its "["');
      isBracketed = false;
    } else if (at === spec.length || (character === ":" && !isBracketed)) {
      if (isBracketed) throw new SpecError(start + 1, 'a "[" without its "]"');
      fields.push({ text: spec.slice(start, at), column: start + 1 });
      start = at + 1;
    }
  }
  return fields;
}

/**
 * The canonical spelling of a host: a bracketed IPv6 address, a dotted IPv4 address or a name.
 * IPv4-mapped IPv6 addresses become IPv4. Throws {@link SpecError}.
 */
export function parseHost({ text, column }: SpecField): string {
  if (text === "") throw new SpecError(column, "a host is missing");
  if (text.startsWith("[")) return parseBracketed(text, column);
  if (ipv4Pattern.test(text)) return text;
  return parseName(text, column);
}

function parseBracketed(text: string, column: number): string {
  const inner = text.endsWith("]") ? text.slice(1, -1) : "";
  const address = inner.includes(":") ? canonicalAddress(inner) : undefined;
  if (address === undefined) {
    throw new SpecError(column, `${JSON.stringify(text)} is not an IPv6 address`);
  }
  return address;
}

function parseName(text: string, column: number): string {
  const name = domainToASCII(text).toLowerCase().replace(/\.$/, "");
  const labels = name.split(".");
  // What ends in a number is an address to some resolvers ("127.1", "0x7f.1"): one spelling only.
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "")) {
    throw new SpecError(column, `${JSON.stringify(text)} is not a dotted IPv4 address`);
  }
  if (
    name === "" || name.length > maxNameLength || !labels.every((label) => nameLabel.test(label))
  ) {
    throw new SpecError(column, `${JSON.stringify(text)} is not a host name or address`);
  }
  return name;
}

/** A port in decimal, from `min` (0 or 1) to 65535. Throws {@link SpecError}. */
export function parsePort({ text, column }: SpecField, { min }: { min: 0 | 1 }): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < min || port > 65535) {
    const problem = text === "" ? "a port is missing" : `${JSON.stringify(text)} is not a port`;
    throw new SpecError(column, `${problem} (${min} to 65535)`);
  }
  return port;
}

/** Reads `80-90`, which has its ends in order; undefined for what is no range. Throws {@link SpecError}. */
export function parsePortRange({ text, column }: SpecField): PortRange | undefined {
  const [, from, to] = rangePattern.exec(text) ?? [];
  if (from === undefined || to === undefined) return undefined;
  const first = parsePort({ text: from, column }, { min: 1 });
  const last = parsePort({ text: to, column: column + from.length + 1 }, { min: 1 });
  if (last < first) throw new SpecError(column, `the range ${text} ends before it begins`);
  return { first, last };
}

/** Reads `host:port`. Throws {@link SpecError}. */
export function parseEndpoint(spec: string): Endpoint {
  const [host, port, extra] = splitSpec(spec);
  if (host === undefined || port === undefined) {
    throw new SpecError(spec.length + 1, "a port is missing (host:port)");
  }
  if (extra !== undefined) throw new SpecError(extra.column, "too many parts (host:port)");
  return { host: parseHost(host), port: parsePort(port, { min: 1 }) };
}

/** Writes `host:port`, an IPv6 address in brackets. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** True for the names that mean this host: localhost, 127.0.0.1, ::1, 0.0.0.0 and ::. */
export function isThisHost(host: string): boolean {
  return thisHostNames.has(host);
}

/**
 * The canonical spelling of an IPv4 or IPv6 address (RFC 5952; IPv4-mapped addresses as IPv4),
 * undefined where the text is not an address.
 */
export function canonicalAddress(text: string): string | undefined {
  if (ipv4Pattern.test(text)) return text;
  // The URL parser knows one spelling of each IPv6 address and refuses zones and odd IPv4 tails.
  const url = text.includes(":") ? URL.parse(`http://[${text}]`) : null;
  if (url === null) return undefined;
  const address = url.hostname.slice(1, -1);
  const mapped = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(address);
  if (mapped === null) return address;
  const [high, low] = [parseInt(mapped[1] ?? "", 16), parseInt(mapped[2] ?? "", 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
