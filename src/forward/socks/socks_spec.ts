/** What one `--socks` says: where clients of SOCKS5 and of HTTP's CONNECT are listened for. */
import { BadInput } from "../../bad_input.ts";
import {
  formatEndpoint,
  parseHost,
  parsePort,
  SpecError,
  splitSpec,
} from "../../socket/endpoint.ts";
import type { ProxyCredentials } from "./proxy_credentials.ts";

/** Where it is listened. */
export interface SocksListenAddress {
  readonly kind: "tcp";
  /** "localhost" (127.0.0.1 and ::1) where none was given. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** One listener. */
export interface SocksSpec {
  readonly listen: SocksListenAddress;
  readonly socks: {
    /** Required of each client, where there are any. */
    readonly credentials: ProxyCredentials | undefined;
  };
}

/** Reads one `--socks` value, `[host:]port`. Throws {@link BadInput} with the column and an example. */
export function parseSocksListen(spec: string): SocksListenAddress {
  try {
    return readListen(spec);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(
      `--socks ${JSON.stringify(spec)}, column ${error.column}: ${error.message}. ` +
        "Example: --socks 1080",
    );
  }
}

/** Throws {@link BadInput} where strangers could use the listener: off loopback, without credentials. */
export function socksSpec(
  listen: SocksListenAddress,
  credentials: ProxyCredentials | undefined,
): SocksSpec {
  if (credentials !== undefined || isLoopback(listen.host)) {
    return { listen, socks: { credentials } };
  }
  throw new BadInput(
    `--socks ${formatEndpoint(listen)} is open to other hosts: give --socks-auth-file with ` +
      "user:password lines, or AETHERPORT_SOCKS_AUTH",
  );
}

function readListen(spec: string): SocksListenAddress {
  const [first = { text: "", column: 1 }, second, extra] = splitSpec(spec);
  if (extra !== undefined) throw new SpecError(extra.column, "too many parts ([host:]port)");
  if (second === undefined) {
    return { kind: "tcp", host: "localhost", port: parsePort(first, { min: 0 }) };
  }
  return { kind: "tcp", host: parseHost(first), port: parsePort(second, { min: 0 }) };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
