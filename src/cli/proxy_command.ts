/** The flags of `aetherport [proxy]`. */
import { Command, Option } from "commander";
import { type AllowRule, parseAllowListenRule, parseAllowRule } from "../access/allow_list.ts";
import { formatTarget, parseStreamTarget, type StreamTarget } from "../access/target.ts";
import { BadInput } from "../bad_input.ts";
import { ConfigError, type ConfigProblem } from "../config/config_error.ts";
import { defaultConfigPaths, findConfigFile } from "../config/config_file.ts";
import { type ExecCommand, parseExecCommand } from "../forward/exec_command.ts";
import { parseForwardSpecs } from "../forward/forward_spec.ts";
import { isSameTarget, parseProxyRule, type ProxyRule } from "../forward/proxy_protocol.ts";
import { parseReverseSpecs } from "../forward/reverse_spec.ts";
import type { NodeIdentityFiles } from "../identity/node_identity.ts";
import { programVersion } from "./program_version.ts";
import type { RoutedForward } from "../node/node.ts";
import type { RoutedReverse } from "../node/reverse_forwards.ts";
import { readBaseUrl, readIngressUrl } from "../signaling/server_url.ts";
import { SpecError } from "../socket/endpoint.ts";
import { type ControlSocketOption, parseControlSocket } from "./control_flags.ts";
import {
  addFlag,
  applyEnvironment,
  LineListOption,
  ListOption,
  PeerListOption,
} from "./environment.ts";
import { FlagProblem, type FlagValue, readEach } from "./flag_problem.ts";
import { requireOwnAddresses } from "./listen_conflicts.ts";
import type { LoggingOptions } from "./logging.ts";
import {
  loggingFlags,
  nodeFlags,
  type NodeOptions,
  type RawLoggingOptions,
  type RawNodeOptions,
  readLogging,
  readNodeOptions,
  requireIdentity,
} from "./node_flags.ts";
import { type RawSocksOptions, readSocks, socksFlags } from "./socks_flags.ts";

/** What the proxy was asked to do. */
export interface ProxyOptions extends NodeOptions {
  readonly forwards: readonly RoutedForward[];
  readonly reverses: readonly RoutedReverse[];
  /** What stdin and stdout are joined to. */
  readonly stdio: RoutedTarget | undefined;
  /** Of `--allow` and its kin. */
  readonly allows: readonly AllowRule[];
  /** What `exec:name` runs. */
  readonly commands: readonly ExecCommand[];
  readonly proxyRules: readonly ProxyRule[];
  readonly policyPath: string | undefined;
  readonly auditLogPath: string | undefined;
  readonly signaling: SignalingOptions;
  /** How long what is open outlives the other node's being unreachable, in ms, where it was told. */
  readonly hold: number | undefined;
  /** When idle flows of datagrams end, in ms, where it was told. */
  readonly udpIdle: number | undefined;
  readonly exitOnFailure: boolean;
  /** Where the running node is asked and told; where nothing is said, there is one place for each. */
  readonly controlSocket: ControlSocketOption | undefined;
  readonly logging: LoggingOptions;
}

/** A target, and where its link leads. */
export interface RoutedTarget {
  readonly target: StreamTarget;
  /** An ingress URL; undefined before it is known that there is only one. */
  readonly route: string | undefined;
}

/** The options, and what a config file has to do with them. */
export interface LoadedProxy {
  readonly options: ProxyOptions;
  /** What flags, variables and the file say, by the flag's attribute: to be compared with later. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What the file's owner should know. */
  readonly warnings: readonly string[];
  /** The file's. */
  readonly text: string;
  /** Where a value stands in the file; nothing where it is not from there. */
  placeOf(value: FlagValue): Pick<ConfigProblem, "line" | "key">;
}

/** The config file of a proxy. */
export interface ProxyConfig {
  readonly path: string;
  /** As it was at the start. */
  readonly first: LoadedProxy;
  /** Reads the file again, below the same flags and variables. Throws {@link BadInput}. */
  load(): Promise<LoadedProxy>;
}

/** Runs the proxy. */
export type RunProxy = (options: ProxyOptions, config?: ProxyConfig) => Promise<void>;

/** How nodes find each other. */
export type SignalingOptions =
  | { readonly type: "tty" }
  | {
    readonly type: "aetherlight";
    readonly baseUrls: readonly string[];
    readonly ingressUrls: readonly string[];
    readonly identityFiles: NodeIdentityFiles;
  };

/** Says to `--config` that no file is read. */
const noConfig = "none";
/** In seconds. */
const maxHold = 86_400;
/** In seconds. */
const maxUdpIdle = 86_400;

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

  # let a browser reach all that the other node allows, by SOCKS5 at 127.0.0.1:1080
  aetherport --socks 1080

  # have the other node listen, and reach a service from here; there: --allow-listen 8080
  aetherport --reverse 8080:127.0.0.1:80

  # ssh to a machine that is reached so
  ssh -o 'ProxyCommand aetherport -q -W %h:%p --aetherlight-ingress-url …' 127.0.0.1

Commands:
  aetherport bench --help          how fast a link is
  aetherport cert --help           keys and certificates
  aetherport completions --help    completion for bash, zsh and fish
  aetherport config --help         the config file
  aetherport forward --help        forwards of a running node
  aetherport policy --help         rules for --policy: checked, tried out, examples
  aetherport signal --help         the signaling server
  aetherport status --help         running nodes, their links and forwards`;

/** The proxy command; `run` is given its options, checked, and the config file where there is one. */
export function proxyCommand(run: RunProxy): Command {
  const command = new Command("aetherport")
    .usage("[proxy] [flags]")
    .version(programVersion, "-V, --version", "print the version")
    .description("Forwards TCP and UDP ports between two machines, peer to peer, encrypted.");
  const routes = new Routes();
  const flags = proxyFlags(routes);
  for (const option of [...flags, configFlag()]) addFlag(command, option);
  const load = async (path: string, taken = flags): Promise<LoadedProxy> => {
    // What reads such files is loaded by those only that have one.
    const { loadConfig } = await import("./config_settings.ts");
    routes.reset();
    const loaded = await loadConfig(path, { command, flags, taken });
    // Commander's options by any other way.
    const raw = loaded.settings as unknown as RawOptions;
    return { ...loaded, options: namingFile(path, loaded, () => readOptions(raw)) };
  };
  for (const option of sshFlags(routes)) command.addOption(option);
  return command
    .addHelpText("after", examples)
    .action(async () => {
      routes.reset();
      const environment = Deno.env.toObject();
      applyEnvironment(command, environment);
      const { config, ...raw } = command.opts<RawOptions & { readonly config?: string }>();
      const path = config ?? await findConfigFile(defaultConfigPaths(environment));
      if (path === undefined || path === noConfig) return await run(readOptions(raw));
      if (config === undefined && raw.stdio !== undefined) {
        return await run((await load(path, callFlags(flags))).options);
      }
      const first = await load(path);
      await run(first.options, { path, first, load: () => load(path) });
    });
}

/** Not one of the flags that a config file may hold. */
function configFlag(): Option {
  return new Option(
    "--config <file|none>",
    "read from this file what is not given otherwise (default: " +
      "~/.config/aetherport/config.toml, then /etc/aetherport/config.toml)",
  );
}

/**
 * What `--stdio` takes from a file that it was not told of: who calls whom, and by which way. The rest
 * is for the node that runs beside it.
 */
function callFlags(flags: readonly Option[]): Option[] {
  const shared = [...nodeFlags(), ...loggingFlags()].map((option) => option.name());
  const names = new Set([...shared, "aetherlight-ingress-url", "hold"]);
  return flags.filter((option) => names.has(option.name()));
}

/** What is wrong with flags, variables and the file together is said with the file's name. */
function namingFile<Result>(
  path: string,
  { placeOf }: Pick<LoadedProxy, "placeOf">,
  read: () => Result,
): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    const place = error instanceof FlagProblem ? placeOf(error.place) : {};
    throw new ConfigError(path, [{ ...place, problem: error.message }]);
  }
}

/** A forward goes to the ingress URL that stands before it on the command line, or in a file. */
class Routes {
  #route: string | undefined;

  /** Begins anew, with no URL. */
  reset(): void {
    this.#route = undefined;
  }

  /** The URL that was read last. */
  get route(): string | undefined {
    return this.#route;
  }

  parseUrl(url: string): string {
    readIngressUrl(url);
    return this.#route = url;
  }

  parseStdio(text: string): RoutedTarget {
    return { target: parseStdioTarget(text), route: this.#route };
  }

  parseReverse(text: string): RoutedReverse[] {
    return parseReverseSpecs(text).map((spec) => ({ spec, route: this.#route }));
  }

  parseForward(text: string): RoutedForward[] {
    return parseForwardSpecs(text).map((spec) => ({ spec, route: this.#route }));
  }
}

/** The flags that a config file has keys for. */
export function proxyFlags(routes = new Routes()): Option[] {
  return [
    new PeerListOption(
      "-f, --forward <[lhost:]lport:rhost:rport[/udp]>",
      "listen here, reach a target there; repeatable",
      (text) => routes.parseForward(text),
    ),
    ...socksFlags(() => routes.route),
    new Option(
      "-W, --stdio <host:port>",
      "join stdin and stdout to a target there (also unix:/path, exec:name), and end with it",
    ).argParser(once("--stdio", (text) => routes.parseStdio(text))),
    new ListOption(
      "-w, --allow <host:port[/udp]>",
      "let the other node reach this target, * for any host or port, or measure the link (bench); " +
        "repeatable",
      parseAllowRule,
    ),
    new LineListOption(
      "--allow-exec <name=command>",
      "let the other node run this command, as exec:name, over its stdin and stdout; with --policy " +
        "where a rule names it; repeatable",
      parseExecCommand,
    ),
    new Option("--policy <file>", "the rules of who may reach what, before those of --allow"),
    new Option("--audit-log <file>", "append a line of JSON for each open, refusal and close"),
    new PeerListOption(
      "-R, --reverse <[rhost:]rport:host:port>",
      "let the other node listen there, reach a target from here; repeatable",
      (text) => routes.parseReverse(text),
    ),
    new ListOption(
      "--allow-listen <[host:]port>",
      "let the other node have this one listen there, * for any host or port; repeatable",
      parseAllowListenRule,
    ),
    new ListOption(
      "--proxy-protocol <v1|v2=host:port>",
      "tell this target the client's address by a PROXY header; repeatable",
      parseProxyRule,
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
      (url) => routes.parseUrl(url),
    ),
    ...nodeFlags(),
    new Option(
      "--hold <seconds>",
      "keep connections for so long after the other node became unreachable (default: 60)",
    ).argParser(parseHold),
    new Option(
      "--udp-idle <seconds>",
      "forget a UDP client and target that were quiet for so long (default: 60)",
    ).argParser(parseUdpIdle),
    new Option("--exit-on-failure", "end with 1 when the link fails, instead of reconnecting"),
    new Option(
      "--control-socket <path|none>",
      "where status and forward find this node (default: <pid>.sock in " +
        "$XDG_RUNTIME_DIR/aetherport, none with --stdio)",
    ).argParser(parseControlSocket),
    ...loggingFlags(),
  ];
}

/** What those used to ssh type. */
function sshFlags(routes: Routes): Option[] {
  const forward = new ListOption(
    "-L <spec>",
    "the same as --forward, as in ssh",
    (text) => routes.parseForward(text),
  );
  forward.attributeName = () => "forward";
  return [forward, new Option("-N", "does nothing: there is no command to be run, as with ssh -N")];
}

/** A flag's value that may be given once. */
function once<Value>(flag: string, parse: (text: string) => Value) {
  return (text: string, previous: Value | undefined): Value => {
    if (previous === undefined) return parse(text);
    throw new BadInput(`${flag} may be given once, and ${JSON.stringify(text)} is another`);
  };
}

function parseStdioTarget(text: string): StreamTarget {
  try {
    return parseStreamTarget(text);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(
      `--stdio ${JSON.stringify(text)}, column ${error.column}: ${error.message}. ` +
        "Example: --stdio 127.0.0.1:22",
    );
  }
}

/** In ms. */
function parseHold(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,6}$/.test(text) && seconds <= maxHold) return seconds * 1_000;
  throw new BadInput(`--hold ${JSON.stringify(text)} is not a number of seconds, 0 to ${maxHold}`);
}

/** In ms. */
function parseUdpIdle(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,6}$/.test(text) && seconds >= 1 && seconds <= maxUdpIdle) return seconds * 1_000;
  throw new BadInput(
    `--udp-idle ${JSON.stringify(text)} is not a number of seconds, 1 to ${maxUdpIdle}`,
  );
}

interface RawOptions extends RawNodeOptions, RawLoggingOptions, RawSocksOptions {
  /** Of each flag. */
  forward?: RoutedForward[][];
  stdio?: RoutedTarget;
  allow?: AllowRule[];
  allowExec?: ExecCommand[];
  reverse?: RoutedReverse[][];
  allowListen?: AllowRule[];
  proxyProtocol?: ProxyRule[];
  policy?: string;
  auditLog?: string;
  signalType?: "tty" | "aetherlight";
  aetherlightBaseUrl?: string[];
  aetherlightIngressUrl?: string[];
  hold?: number;
  udpIdle?: number;
  exitOnFailure?: boolean;
  controlSocket?: ControlSocketOption;
}

function readOptions(raw: RawOptions): ProxyOptions {
  const { allow = [], allowListen = [], stdio, policy: policyPath, auditLog: auditLogPath } = raw;
  const commands = readCommands(raw.allowExec ?? []);
  // Under a policy they are offered, and it says to whom.
  const offered = policyPath === undefined ? commands : [];
  const execRules = offered.map(({ name }) => ({ kind: "exec", name }) as const);
  const allows = [...allow, ...allowListen, ...execRules];
  const forwards = [...raw.forward?.flat() ?? [], ...readSocks(raw)];
  const reverses = raw.reverse?.flat() ?? [];
  const isIngress = allows.length > 0 || policyPath !== undefined;
  if (forwards.length + reverses.length === 0 && stdio === undefined && !isIngress) {
    throw new BadInput(
      "nothing to do: give --forward, --socks, --allow or --policy (aetherport --help has examples)",
    );
  }
  requireOwnAddresses(forwards.map(({ spec }) => spec));
  const urls = raw.aetherlightIngressUrl ?? [];
  const logging = readLogging(raw);
  const nodeOptions = readNodeOptions(raw);
  const signaling = readSignaling(raw, nodeOptions);
  if (stdio !== undefined) requireFreeStdout(signaling);
  return {
    ...nodeOptions,
    forwards: forwards.map((forward) => routed(forward, urls)),
    reverses: reverses.map((reverse) => routed(reverse, urls)),
    stdio: stdio === undefined ? undefined : routed(stdio, urls),
    allows,
    commands,
    proxyRules: readProxyRules(raw.proxyProtocol ?? []),
    policyPath,
    auditLogPath,
    signaling,
    hold: raw.hold,
    udpIdle: raw.udpIdle,
    exitOnFailure: raw.exitOnFailure ?? false,
    // A call is over soon, and is not who forwards are added to.
    controlSocket: raw.controlSocket ?? (stdio === undefined ? undefined : "none"),
    logging,
  };
}

function readSignaling(raw: RawOptions, nodeOptions: NodeOptions): SignalingOptions {
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
  const identityFiles = requireIdentity(nodeOptions);
  const isOpenToNobody = identityFiles.caPaths.length + nodeOptions.allowedPeers.length === 0;
  if (baseUrls.length > 0 && isOpenToNobody) {
    throw new BadInput("no node could be let in: give --cacert, or --allow-peer with a key id");
  }
  return { type: "aetherlight", baseUrls, ingressUrls, identityFiles };
}

/** A name is of one command. */
function readCommands(commands: readonly ExecCommand[]): readonly ExecCommand[] {
  const names = new Set<string>();
  return readEach("allow-exec", commands, (command) => {
    const { name } = command;
    if (names.has(name)) throw new BadInput(`--allow-exec names two commands "${name}"`);
    names.add(name);
    return command;
  });
}

/** A target expects headers of one version. */
function readProxyRules(rules: readonly ProxyRule[]): readonly ProxyRule[] {
  for (const rule of rules) {
    const first = rules.find(({ target }) => isSameTarget(target, rule.target)) ?? rule;
    if (first.version === rule.version) continue;
    const [one, other] = [first, rule].map((each) =>
      `v${each.version}=${formatTarget(each.target)}`
    );
    throw new BadInput(`--proxy-protocol names two versions for one target: ${one} and ${other}`);
  }
  return rules;
}

/** With `--stdio` nothing else is read from stdin, and nothing else is written to stdout. */
function requireFreeStdout(signaling: SignalingOptions): void {
  if (signaling.type === "tty") {
    throw new BadInput(
      "--stdio leaves no stdin for pasted texts: give --aetherlight-ingress-url, --key and --cert",
    );
  }
  if (signaling.baseUrls.length > 0) {
    throw new BadInput("--stdio excludes --aetherlight-base-url, whose URL is printed on stdout");
  }
}

/** What stands before any URL goes to the only one there is. */
function routed<Routed extends { readonly route: string | undefined }>(
  one: Routed,
  urls: readonly string[],
): Routed {
  if (one.route !== undefined || urls.length === 0) return one;
  if (urls.length === 1) return { ...one, route: urls[0] };
  throw new BadInput(
    "with several --aetherlight-ingress-url, each --forward, --reverse, --socks and --stdio stands " +
      "after the one it goes to, or in its [[peer]] of a config file",
  );
}
