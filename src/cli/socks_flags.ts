/** The flags of listeners for SOCKS5: where they are, and who may use them. */
import { Option } from "commander";
import { BadInput } from "../bad_input.ts";
import {
  parseProxyCredentials,
  type ProxyCredentials,
} from "../forward/socks/proxy_credentials.ts";
import {
  parseSocksListen,
  type SocksListenAddress,
  socksSpec,
} from "../forward/socks/socks_spec.ts";
import { messageOf } from "../message_of.ts";
import type { RoutedForward } from "../node/node.ts";
import { PeerListOption } from "./environment.ts";
import { readEach } from "./flag_problem.ts";

/** One `--socks`, and where its links lead. */
export interface RoutedSocks {
  readonly listen: SocksListenAddress;
  readonly route: string | undefined;
}

/** What commander makes of {@link socksFlags}. */
export interface RawSocksOptions {
  readonly socks?: RoutedSocks[];
  readonly socksAuthFile?: string;
}

/** Not the variable of a flag: secrets are no arguments. */
const secretVariable = "AETHERPORT_SOCKS_AUTH";
/** Permissions of a file that are not its owner's. */
const othersBits = 0o077;

/** New ones for each command; `route` is asked at each `--socks`. */
export function socksFlags(route: () => string | undefined): Option[] {
  return [
    new PeerListOption(
      "-D, --socks <[host:]port>",
      "listen here for SOCKS5 and HTTP CONNECT; repeatable",
      (text): RoutedSocks => ({ listen: parseSocksListen(text), route: route() }),
    ),
    new Option(
      "--socks-auth-file <file>",
      `its user:password lines are asked for by --socks; or as ${secretVariable}`,
    ),
  ];
}

/** The listeners, as forwards. Throws {@link BadInput}. */
export function readSocks({ socks = [], socksAuthFile }: RawSocksOptions): RoutedForward[] {
  if (socks.length === 0 && socksAuthFile !== undefined) {
    throw new BadInput("--socks-auth-file needs --socks");
  }
  const credentials = socks.length === 0 ? undefined : readCredentials(socksAuthFile);
  return readEach(
    "socks",
    socks,
    ({ listen, route }) => ({ spec: socksSpec(listen, credentials), route }),
  );
}

function readCredentials(path: string | undefined): ProxyCredentials | undefined {
  if (path !== undefined) {
    const source = `--socks-auth-file ${JSON.stringify(path)}`;
    const read = () => parseProxyCredentials(readSecretFile(path), source);
    return readEach("socks-auth-file", [path], read)[0];
  }
  const text = Deno.env.get(secretVariable) ?? "";
  return text === "" ? undefined : parseProxyCredentials(text, secretVariable);
}

function readSecretFile(path: string): string {
  const { mode, text } = readFile(path);
  if (mode === null || (mode & othersBits) === 0) return text;
  throw new BadInput(
    `--socks-auth-file ${JSON.stringify(path)} can be read by others: run "chmod 600 ${path}"`,
  );
}

function readFile(path: string): { readonly mode: number | null; readonly text: string } {
  try {
    return { mode: Deno.statSync(path).mode, text: Deno.readTextFileSync(path) };
  } catch (error) {
    throw new BadInput(
      `--socks-auth-file ${JSON.stringify(path)} cannot be read: ${messageOf(error)}`,
    );
  }
}
