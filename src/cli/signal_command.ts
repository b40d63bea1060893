/**
 * `aetherport signal`: runs a signaling server on this machine. The server itself is in signal/ and
 * loaded only here, when it is started.
 */
import { Command, Option } from "commander";
import { BadInput } from "../bad_input.ts";
import { parseBaseUrl } from "../signaling/wire.ts";
import { formatEndpoint, parseHost, parsePort, SpecError, splitSpec } from "../socket/endpoint.ts";
import { addFlag, applyEnvironment, ListOption } from "./environment.ts";
import { hasKv, isRestarted, restartWithKv } from "./signal_restart.ts";
import { defaultStore, openStore, STORE_FILE } from "./signal_store.ts";
import { untilStopped } from "./stop_signals.ts";

/** Where to listen, and where to keep what is stored. */
interface SignalOptions {
  readonly listenAddr: ListenAddress;
  /** What `Deno.openKv` takes: a path, a URL or `:memory:`. */
  readonly kv?: string;
  readonly baseUrl?: readonly string[];
  readonly trustProxy?: boolean;
}

interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_LISTEN_ADDRESS = "0.0.0.0:8080";

const examples = `
Examples:
  # for a first try, on this machine only
  aetherport signal --listen-addr 127.0.0.1:8080 --kv :memory:

  # behind a proxy that does TLS for light.example.com
  aetherport signal -l 127.0.0.1:8080 --base-url https://light.example.com --trust-proxy`;

/** The command `signal`. */
export function signalCommand(): Command {
  const command = new Command("signal")
    .usage("[flags]")
    .description("Runs a signaling server: it introduces nodes, and can read nothing they say.")
    .addHelpText("after", examples);
  for (const option of flags()) addFlag(command, option);
  // For the help text alone, which names a command with its parents.
  new Command("aetherport").addCommand(command);
  return command.action(async () => {
    applyEnvironment(command, Deno.env.toObject());
    await runSignal(command.opts<SignalOptions>());
  });
}

function flags(): Option[] {
  return [
    new Option("-l, --listen-addr <host:port>", "where to listen; port 0 picks one")
      .argParser(parseListenAddress)
      .default(parseListenAddress(DEFAULT_LISTEN_ADDRESS), DEFAULT_LISTEN_ADDRESS),
    new Option(
      "--kv <file, URL or :memory:>",
      `the Deno KV store (default: ${STORE_FILE} in the state directory)`,
    ),
    new ListOption(
      "--base-url <url>",
      "how nodes reach this server; repeatable (default: whatever host they ask for)",
      readBaseUrl,
    ),
    new Option("--trust-proxy", "take the client's address from the proxy's X-Forwarded-For"),
  ];
}

function parseListenAddress(text: string): ListenAddress {
  try {
    const [host, port, extra] = splitSpec(text);
    if (host === undefined || port === undefined) {
      throw new SpecError(text.length + 1, "a port is missing");
    }
    if (extra !== undefined) throw new SpecError(extra.column, "too many parts");
    return { host: parseHost(host), port: parsePort(port, { min: 0 }) };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(
      `--listen-addr ${JSON.stringify(text)}, column ${error.column}: ${error.message}. ` +
        "Example: --listen-addr 127.0.0.1:8080, or [::]:8080",
    );
  }
}

function readBaseUrl(text: string): string {
  const url = parseBaseUrl(text);
  if (url !== undefined) return url;
  throw new BadInput(
    `--base-url ${JSON.stringify(text)} is no base URL. Example: --base-url ` +
      "https://light.example.com",
  );
}

async function runSignal(options: SignalOptions): Promise<void> {
  if (!hasKv()) await restartWithKv();
  // Loaded here so that no other command pays for the server.
  const [{ createSignalApp }, { bellSourceFor }, { SignalServer }] = await Promise.all([
    import("../../signal/app.ts"),
    import("../../signal/kv_bell.ts"),
    import("../../signal/server.ts"),
  ]);
  const { listenAddr, baseUrl, trustProxy } = options;
  const name = options.kv ?? await defaultStore();
  const log = (line: string) => console.error(`aetherport: ${line}`);
  const kv = await openStore(name, log);
  try {
    const signalApp = createSignalApp({
      ...{ kv, log, bell: bellSourceFor(name) },
      baseUrls: baseUrl,
      isProxyTrusted: trustProxy,
    });
    const stopped = Promise.race([untilStopped(), untilParentEnds()]);
    const server = listening(
      listenAddr,
      () => new SignalServer({ signalApp, hostname: listenAddr.host, port: listenAddr.port, log }),
    );
    const { hostname: host, port } = server.address;
    console.error(`listening on http://${formatEndpoint({ host, port })}`);
    await stopped;
    await server.close();
  } finally {
    kv.close();
  }
}

/** Names the address where it cannot be listened on. */
function listening<T>(address: ListenAddress, listen: () => T): T {
  try {
    return listen();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const text = formatEndpoint(address);
    throw new Error(`cannot listen on ${text}: ${error.message}`, { cause: error });
  }
}

/** For a process that another one stands in for: without that one, nobody could stop it. */
async function untilParentEnds(): Promise<void> {
  if (!isRestarted()) return await new Promise<never>(() => {});
  for await (const _ of Deno.stdin.readable) {
    // Nothing is said on it.
  }
}
