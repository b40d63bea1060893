/**
 * Which proxy leads out of this network: HTTPS_PROXY, HTTP_PROXY and ALL_PROXY say where it is,
 * NO_PROXY for what it is not to be used.
 */
import ipaddr from "ipaddr.js";
import { BadInput } from "../bad_input.ts";
import { canonicalAddress, formatEndpoint } from "./endpoint.ts";

/** One proxy. */
export interface Proxy {
  /** SOCKS5 resolves names at the proxy. */
  readonly protocol: "http" | "https" | "socks5";
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Where the URL has a user; a password may be empty. */
  readonly credentials: ProxyCredentials | undefined;
  /** For people: its URL without password, and the variable it is from. */
  readonly label: string;
}

/** Who asks a proxy. */
export interface ProxyCredentials {
  readonly username: string;
  readonly password: string;
}

/** What is to be reached. */
export interface ProxyDestination {
  /** HTTPS_PROXY is for `https` and for all that needs a tunnel, HTTP_PROXY for `http`. */
  readonly scheme: "http" | "https";
  /** A name or an address, in brackets or not. */
  readonly host: string;
}

/** All variables that count, in upper case; each counts in lower case, too. */
export const proxyVariables: readonly string[] = [
  "HTTPS_PROXY",
  "HTTP_PROXY",
  "ALL_PROXY",
  "NO_PROXY",
];

const defaultPorts = { http: 80, https: 443, socks5: 1080 } as const;

/**
 * The proxy to such a destination, undefined where there is none or it is not to be used. Upper case
 * goes before lower case; an empty variable is none. Throws BadInput naming the variable, and never
 * its value, where that is no proxy's URL.
 */
export function proxyFor(
  { scheme, host }: ProxyDestination,
  read: (variable: string) => string | undefined = (name) => Deno.env.get(name),
): Proxy | undefined {
  for (const name of [`${scheme.toUpperCase()}_PROXY`, "ALL_PROXY"]) {
    const variable = [name, name.toLowerCase()].find((each) => (read(each)?.trim() ?? "") !== "");
    if (variable === undefined) continue;
    const excluded = read("NO_PROXY") || read("no_proxy") || "";
    return isExcluded(host, excluded)
      ? undefined
      : parseProxy(read(variable)?.trim() ?? "", variable);
  }
  return undefined;
}

/** The same for a URL with http or https. */
export function proxyForUrl(url: string): Proxy | undefined {
  const { protocol, hostname } = new URL(url);
  return proxyFor({ scheme: protocol === "http:" ? "http" : "https", host: hostname });
}

function parseProxy(text: string, variable: string): Proxy {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  const protocol = url === null ? undefined : protocolOf(url.protocol);
  if (url === null || protocol === undefined || url.hostname === "" || url.pathname.length > 1) {
    throw refuse(variable, "is no URL of a proxy");
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? defaultPorts[protocol] : Number(url.port);
  const credentials = url.username === "" && url.password === "" ? undefined : {
    username: unescape(url.username, variable),
    password: unescape(url.password, variable),
  };
  const label = `the proxy ${protocol}://${formatEndpoint({ host, port })} (${variable})`;
  return { protocol, host, port, credentials, label };
}

function protocolOf(text: string): Proxy["protocol"] | undefined {
  if (text === "socks5h:") return "socks5";
  const name = text.slice(0, -1);
  return name === "http" || name === "https" || name === "socks5" ? name : undefined;
}

function unescape(text: string, variable: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse(variable, "has a user or password that is badly escaped (% is written %25)");
  }
}

/** The value may hold a password: it is not repeated. */
function refuse(variable: string, problem: string): BadInput {
  const examples = "http://proxy.example.org:3128 or socks5://user:secret@proxy.example.org:1080";
  return new BadInput(`${variable} ${problem}: write it like ${examples}`);
}

/**
 * Entries are separated by commas or blanks: `*` is all, an address itself, a CIDR block what is in
 * it, and a name, with or without a dot or `*.` before it, itself and all below it.
 */
function isExcluded(host: string, list: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "").toLowerCase();
  const address = canonicalAddress(bare);
  const entries = list.toLowerCase().split(/[\s,]+/).filter((entry) => entry !== "");
  return entries.some((entry) =>
    entry === "*" || (address === undefined ? isBelow(bare, entry) : isWithin(address, entry))
  );
}

function isBelow(name: string, entry: string): boolean {
  const suffix = entry.replace(/^\*?\./, "").replace(/\.$/, "");
  return name === suffix || name.endsWith(`.${suffix}`);
}

function isWithin(address: string, entry: string): boolean {
  if (!entry.includes("/")) {
    return canonicalAddress(entry.replace(/^\[(.*)\]$/, "$1")) === address;
  }
  if (!ipaddr.isValidCIDR(entry)) return false;
  const [block, length] = ipaddr.parseCIDR(entry);
  const parsed = ipaddr.parse(address);
  return parsed.kind() === block.kind() && parsed.match(block, length);
}
